/* SPDX-License-Identifier: MIT
 *
 * The files that a configuration names and drover serves from. Private to config/. */
#ifndef DROVER_CONFIG_FILES_H
#define DROVER_CONFIG_FILES_H

#include "config/config.h"

#define FILE_BYTES_MAX 1048576 /* of a certificate, with its chain, or a key */

/* At most `most` bytes, so that who asks for one more than he takes can tell that there is too much. A NUL
 * follows them; the caller frees. False with errno set. */
bool file_read(const char *path, size_t most, char **bytes, size_t *size);
uint64_t file_stamp(const char *path); /* another one for another inode, size or time */
void files_fini(struct config *config);

#endif
