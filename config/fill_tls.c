/* SPDX-License-Identifier: MIT
 *
 * Readers of `tls`: certificates and keys are read and tried here, so that what is wrong with them is told with
 * its place. One thread. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#include "base/certificate.h"
#include "base/mem.h"
#include "config/files.h"
#include "config/fill.h"

#define PAIRS_MAX 256
#define DAYS_WARN 14 /* a certificate that ends sooner is worth a word */

void fill_file(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    struct file_config *file = (struct file_config *)(void *)((char *)base + option->offset);
    char *text = fill_text(filling, option, node), part[QUOTE_MAX];
    struct stat found;

    if (!text)
        return;
    if (*text == 0) {
        fill_wrong(filling, option, node, text);
        mem_free(text);
        return;
    }
    file->path = fill_path(filling, text);
    mem_free(text);
    if (!filling->reads_files)
        return;
    file->stamp = file_stamp(file->path); /* before it is read: a change meanwhile is seen */
    int status = stat(file->path, &found) == 0 ? 0 : errno;
    if (status == 0 && S_ISDIR(found.st_mode))
        status = EISDIR;
    else if (status == 0 && !S_ISREG(found.st_mode)) /* a pipe would hold us */
        status = EINVAL;
    if (status == 0 && !file_read(file->path, FILE_BYTES_MAX + 1, &file->bytes, &file->size))
        status = errno;
    if (status == 0 && file->size > FILE_BYTES_MAX)
        status = EFBIG;
    if (status != 0)
        findings_error(filling->findings, node->place, filling->key, "expected a file, got '%s' (%s)",
                       quote_part(part, slice_of(file->path)), strerror(status));
}

void fill_ocsp(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    struct file_config *file = (struct file_config *)(void *)((char *)base + option->offset);
    char part[QUOTE_MAX];
    int64_t until;

    fill_file(filling, option, node, base);
    if (!file->bytes)
        return;
    if (!ocsp_answer_read((struct slice){file->bytes, file->size}, &until))
        findings_error(filling->findings, node->place, filling->key,
                       "expected an OCSP response in DER form, got '%s'",
                       quote_part(part, slice_of(file->path)));
    else if (until < time(NULL))
        findings_warning(filling->findings, node->place, filling->key,
                         "is not valid any more, and not shown: '%s'",
                         quote_part(part, slice_of(file->path)));
}

/* The trial context of this thread's check. */
static SSL_CTX *trial_new(void)
{
    return SSL_CTX_new(TLS_server_method());
}

void fill_ciphers(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    struct tls_config *tls = base;
    SSL_CTX *trial = trial_new();

    tls->ciphers = fill_text(filling, option, node);
    if (tls->ciphers && (!trial || SSL_CTX_set_cipher_list(trial, tls->ciphers) != 1))
        fill_wrong(filling, option, node, tls->ciphers);
    (void)certificate_error();
    SSL_CTX_free(trial);
}

void fill_trusted(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    struct file_config *file = (struct file_config *)(void *)((char *)base + option->offset);
    SSL_CTX *trial = trial_new();
    char part[QUOTE_MAX];

    fill_file(filling, option, node, base);
    if (file->bytes && (!trial || !certificates_trust(trial, (struct slice){file->bytes, file->size}, true)))
        findings_error(filling->findings, node->place, filling->key,
                       "expected certificates in PEM form, got '%s'", quote_part(part, slice_of(file->path)));
    SSL_CTX_free(trial);
}

static void check_dates(struct filling *filling, const struct pair_config *pair, struct place place)
{
    X509 *certificate = certificate_read((struct slice){pair->certificate.bytes, pair->certificate.size});
    int days = certificate ? certificate_days_left(certificate) : 0;

    if (certificate && days == INT_MIN)
        findings_warning(filling->findings, place, filling->key, "is not valid yet: '%s'",
                         pair->certificate.path);
    else if (certificate && days < 0)
        findings_warning(filling->findings, place, filling->key, "has ended: '%s'", pair->certificate.path);
    else if (certificate && days < DAYS_WARN)
        findings_warning(filling->findings, place, filling->key, "ends in %d day%s: '%s'", days,
                         days == 1 ? "" : "s", pair->certificate.path);
    X509_free(certificate);
}

/* `map` holds the keys `certificate` and `key` of this pair. */
static void check_pair(struct filling *filling, const struct pair_config *pair, const struct yaml_node *map)
{
    const struct yaml_node *certificate = node_find(map, "certificate"), *key = node_find(map, "key");
    bool blames_key = false;

    if (!certificate || !key) {
        findings_error(filling->findings, map->place, filling->key, "expected a 'certificate' and a 'key'");
        return;
    }
    if (!pair->certificate.bytes || !pair->key.bytes)
        return; /* said already, or not to be read */
    SSL_CTX *trial = trial_new();
    const char *why =
        trial ? certificate_use(trial, (struct slice){pair->certificate.bytes, pair->certificate.size},
                                (struct slice){pair->key.bytes, pair->key.size}, &blames_key)
              : certificate_error();
    blames_key = blames_key && why;
    size_t mark = key_push(filling, blames_key ? "key" : "certificate");
    if (why)
        findings_error(filling->findings, blames_key ? key->place : certificate->place, filling->key,
                       "expected %s, got '%s' (%s)", blames_key ? "the certificate's key" : "a certificate",
                       blames_key ? pair->key.path : pair->certificate.path, why);
    else
        check_dates(filling, pair, certificate->place);
    key_pop(filling, mark);
    SSL_CTX_free(trial);
}

void fill_pairs(struct filling *filling, const struct option *option, const struct yaml_node *node,
                void *base)
{
    struct tls_config *tls = base;
    unsigned count = fill_list(filling, option, node);

    if (count > PAIRS_MAX || (count == 0 && node->kind == YAML_LIST)) {
        findings_error(filling->findings, node->place, filling->key, "expected 1 to %d pairs, got %u",
                       PAIRS_MAX, count);
        return;
    }
    tls->pairs = mem_zero((count + 1) * sizeof *tls->pairs); /* one more: `single` may come before them */
    for (unsigned i = 0; i < count; i++) {
        const struct yaml_node *item = fill_list_item(node, i);
        size_t mark = key_push_index(filling, i);
        if (item->kind == YAML_MAP) {
            struct pair_config *pair = &tls->pairs[tls->pair_count++];
            fill_map(filling, option->section, item, pair);
            check_pair(filling, pair, item);
        } else {
            fill_wrong_kind(filling, item, "a map with 'certificate' and 'key'");
        }
        key_pop(filling, mark);
    }
}

/* The pair beside the other options is the first of the list. */
static void settle_single(struct filling *filling, struct tls_config *tls, const struct yaml_node *map)
{
    bool has_single = node_find(map, "certificate") || node_find(map, "key");

    if (has_single) {
        check_pair(filling, &tls->single, map);
        if (!tls->pairs)
            tls->pairs = mem_zero(sizeof *tls->pairs);
        memmove(tls->pairs + 1, tls->pairs, tls->pair_count * sizeof *tls->pairs);
        tls->pairs[0] = tls->single;
        tls->single = (struct pair_config){0};
        tls->pair_count++;
    } else if (!node_find(map, "pairs")) {
        findings_error(filling->findings, map->place, filling->key, "expected a 'certificate' and a 'key'");
    }
}

void fill_tls(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    struct tls_config *tls = &((struct listen_config *)base)->tls;
    char expected[EXPECTED_MAX];

    if (node->kind == YAML_LIST) {
        struct yaml_node key = {.kind = YAML_SCALAR, .text = (char *)(uintptr_t) "pairs"};
        struct yaml_node *keys[] = {&key}, *items[] = {(struct yaml_node *)(uintptr_t)node};
        struct yaml_node map = {
            .kind = YAML_MAP, .place = node->place, .count = 1, .keys = keys, .items = items};
        fill_map(filling, option->section, &map, tls);
    } else if (node->kind == YAML_MAP) {
        fill_map(filling, option->section, node, tls);
        settle_single(filling, tls, node);
    } else {
        fill_wrong_kind(filling, node, option_expected(option, expected));
    }
}
