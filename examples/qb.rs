use sealmark::{aead::*, engine};
use std::time::Instant;
fn main() {
    let sizes = [16usize, 64, 256, 512, 1024, 4096, 16384, 65536, 1 << 20];
    let only = std::env::args().nth(1).unwrap_or_default();
    let engs: Vec<_> =
        engine::engines().into_iter().filter(|e| e.available().is_ok() && e.name().contains(&only)).collect();
    for op in ["seal", "open"] {
        println!("{op}");
        let keys: Vec<_> = engs.iter().map(|e| e.key(Alg::Aes256Gcm, &[7; 32]).unwrap()).collect();
        let mut best = vec![vec![f64::MAX; sizes.len()]; engs.len()];
        for _ in 0..std::env::var("R").map_or(21, |r| r.parse().unwrap()) {
            for (si, &n) in sizes.iter().enumerate() {
                for (ei, k) in keys.iter().enumerate() {
                    if engs[ei].name() == "sealmark/portable" && n > 4096 {
                        continue;
                    }
                    let iters = (400_000 / (n + 200)).max(1);
                    let slots = if op == "open" { iters } else { 1 };
                    let mut bufs = vec![vec![1u8; n]; slots];
                    let mut tag = Tag::default();
                    let mut tags = vec![tag; slots];
                    if op == "open" {
                        for (b, t) in bufs.iter_mut().zip(&mut tags) {
                            k.seal(&[1; 12], &[0; 6], b, t).unwrap();
                        }
                    }
                    let t = Instant::now();
                    if op == "seal" {
                        for i in 0..iters {
                            let mut nn = [0u8; 12];
                            nn[0] = i as u8;
                            k.seal(&nn, &[0; 6], &mut bufs[0], &mut tag).unwrap();
                        }
                    } else {
                        for i in 0..iters {
                            k.open(&[1; 12], &[0; 6], &mut bufs[i], &tags[i]).unwrap();
                        }
                    }
                    let ns = t.elapsed().as_nanos() as f64 / iters as f64;
                    if ns < best[ei][si] {
                        best[ei][si] = ns
                    }
                }
            }
        }
        for (ei, e) in engs.iter().enumerate() {
            print!("{:18}", e.name());
            for (si, &n) in sizes.iter().enumerate() {
                print!("{:8.2}", n as f64 / best[ei][si]);
            }
            println!();
        }
    }
    println!("key setup ns");
    for e in &engs {
        let mut b = f64::MAX;
        for _ in 0..50 {
            let t = Instant::now();
            for _ in 0..100 {
                std::hint::black_box(e.key(Alg::Aes256Gcm, &[7; 32]).unwrap());
            }
            b = b.min(t.elapsed().as_nanos() as f64 / 100.);
        }
        println!("{:18}{b:8.1}", e.name());
    }
}
