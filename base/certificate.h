/* SPDX-License-Identifier: MIT
 *
 * Certificates and keys from PEM texts into OpenSSL's contexts. Whoever checks a file and whoever serves from
 * it go by the same functions. Any thread; nothing is kept. */
#ifndef DROVER_BASE_CERTIFICATE_H
#define DROVER_BASE_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/str.h"

/* The certificate, those of its chain that follow in the same text, and the key. NULL when they are a pair that
 * can be served from; else what is wrong in a few words (static or OpenSSL's), and whose fault it is. */
const char *certificate_use(SSL_CTX *context, struct slice certificate, struct slice key, bool *blames_key);
/* The first certificate of a PEM text; the caller frees it (X509_free). NULL: there is none. */
X509 *certificate_read(struct slice text);
/* Whole days until it ends, negative when it has; INT_MIN: it has not begun. */
int certificate_days_left(const X509 *certificate);
/* Adds all certificates of the text to those that peers are verified with. How many; 0: none, or one that
 * cannot be read. */
unsigned certificates_trust(SSL_CTX *context, struct slice text, bool names_them_to_clients);
/* A successful OCSP response in DER form, and the second since the epoch until which it is valid (no end named: INT64_MAX). */
bool ocsp_answer_read(struct slice bytes, int64_t *until);
/* What OpenSSL said last on this thread, in its words; the thread's errors are forgotten. */
const char *certificate_error(void);

#endif
