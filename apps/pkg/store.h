/*
 * Installed packages: /pkg/NAME holds the files of a package and its manifest, pkg.conf. A package is there whole or not at all:
 * it is unpacked as /pkg/.tmp-NAME and renamed when all of it is on the disk; an older version steps aside as
 * /pkg/.old-NAME for as long as that takes, and a removed one becomes /pkg/.del-NAME before its files go. What an
 * interrupted run left under such a name is cleaned up by store_tidy.
 *
 * Functions say on standard error what went wrong. One pkg at a time.
 */
#ifndef PKG_STORE_H
#define PKG_STORE_H

#include <stdbool.h>

#include "manifest.h"
#include "package.h"

/* Where packages live. */
#ifndef PKG_DIR
#define PKG_DIR "/pkg"
#endif

/* Ends what an interrupted run began: an old version that was to be replaced comes back, all else is removed. */
void store_tidy(void);

/* Installs a package that package_open accepted, in place of an older one. On false nothing has changed. */
bool store_install(struct package *p);

/* Removes an installed package. */
bool store_remove(const char *name);

/* Reads the manifest of an installed package. On false *why says why there is none. */
bool store_manifest(const char *name, struct manifest *m, const char **why);

/*
 * Names of all installed packages in order, in memory of the caller's (free each and the array); *count of them.
 * NULL with *count 0 if there are none, with *count -1 on failure.
 */
char **store_list(int *count);

/* The hash of a package in hexadecimal. */
void store_hash(const struct package *p, char text[MANIFEST_HASH + 1]);

#endif
