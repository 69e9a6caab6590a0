/* Hides AES and PMULL of an emulated ARM CPU from a program that calls getauxval, as Rust's std does, because every
 * qemu model has them. Preloaded by ci/cpus. The rest of HWCAP is not zero, so std does not read /proc instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type) {
    unsigned long (*real)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
    unsigned long value = real(type);
    return type == AT_HWCAP ? value & ~(unsigned long)(HWCAP_AES | HWCAP_PMULL) : value;
}
