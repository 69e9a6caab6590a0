//! The command `sealmark`, with the engines that were compiled in.

fn main() -> std::process::ExitCode {
    sealmark::main(&[], &[])
}
