/* Error numbers (abi/error.def, Linux's values) and the calling thread's errno. */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#include <rugo/abi.h>

int *__errno_location(void);
#define errno (*__errno_location())

#define EWOULDBLOCK EAGAIN
#define ENOTSUP     EOPNOTSUPP

#endif
