/* SPDX-License-Identifier: MIT
 *
 * Parts of the third step of loading. Private to config/. */
#ifndef DROVER_CONFIG_VALIDATE_H
#define DROVER_CONFIG_VALIDATE_H

#include "config/fill.h"

void validate_pool(struct filling *filling, const struct pool_config *pool); /* validate_pool.c */
void validate_background(struct filling *filling);                           /* validate_background.c */
void validate_addresses(struct filling *filling);                            /* validate_addresses.c */
void validate_measure(struct filling *filling);                              /* validate_measure.c */
/* Would binding one keep the other from being bound? */
bool addresses_overlap(const struct address *a, const struct address *b);

#endif
