/* Signal numbers (Linux's), in <rugo/abi.h>: how a killed process's exit status names its end. */
#ifndef LIB_SIGNAL_H
#define LIB_SIGNAL_H

#include <rugo/abi.h>

#endif
