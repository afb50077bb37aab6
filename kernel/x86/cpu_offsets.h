/* Offsets in struct cpu and struct cpu_features that assembly uses; cpu.h checks them. */
#define CPU_STATS_SYSCALLS 72
#define CPU_FEATURES_SMAP  1
