/* strcasecmp and kin live in <string.h>. */
#include <string.h>
