/* Attributes in words. */
#ifndef RUGO_CDEFS_H
#define RUGO_CDEFS_H

#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __scanf(fmt, args)  __attribute__((format(scanf, fmt, args)))
#define __hidden            __attribute__((visibility("hidden")))
#define __weak              __attribute__((weak))

#endif
