/* Hides AES and PMULL of an emulated ARM CPU from a program that asks getauxval, as Rust's std does: no model of
 * qemu's lacks them. Preloaded by ci/cpus. What is left of HWCAP is not zero, so std does not ask /proc instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type) {
    unsigned long (*real)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
    unsigned long value = real(type);
    return type == AT_HWCAP ? value & ~(unsigned long)(HWCAP_AES | HWCAP_PMULL) : value;
}
