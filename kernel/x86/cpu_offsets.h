/* Offset in struct cpu_features that assembly uses; cpu.h checks it. */
#define CPU_FEATURES_SMAP 1
