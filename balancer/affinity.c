/* SPDX-License-Identifier: MIT
 *
 * Clients that stay with whom they were answered by. A cookie's value is an HMAC of the pool's name and of
 * who it names: nothing can be read from it, and only who has the key can make one. What the members of a
 * set are called is computed when the set is made; a request compares. Any thread. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "balancer/policy.h"

#define TOKEN_BYTES 16 /* of the HMAC that are kept */
#define WHO_MAX     (ADDRESS_TEXT + 160)

struct affinity_token {
    uint64_t name; /* its first bytes, for comparing once it was believed; not 0 */
    char value[AFFINITY_SIZE];
};

/* RFC 4648 section 5, without padding. */
static void put_base64url(const unsigned char bytes[TOKEN_BYTES], char into[AFFINITY_SIZE])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (unsigned i = 0; i < AFFINITY_SIZE; i++) {
        unsigned bit = i * 6, at = bit / 8;
        unsigned pair = (unsigned)bytes[at] << 8 | (at + 1 < TOKEN_BYTES ? bytes[at + 1] : 0u);
        into[i] = letters[pair >> (10 - bit % 8) & 63];
    }
}

/* A file that an editor ended with a line is the same key. */
static struct slice key_of(const struct pool *pool)
{
    const struct affinity_config *config = &pool->config->affinity;
    struct slice key = {config->key.bytes, config->key.size};

    if (!key.at)
        return config->secret ? slice_of(config->secret)
                              : (struct slice){(const char *)pool->slots->affinity_key,
                                               sizeof pool->slots->affinity_key};
    while (key.size && (key.at[key.size - 1] == '\n' || key.at[key.size - 1] == '\r'))
        key.size--;
    return key;
}

/* False: it has no name, as a worker that was never ready. */
static bool name_of(const struct pool *pool, const struct backend *backend, char into[WHO_MAX])
{
    uint32_t number = atomic_load(&backend->slots->slot[backend->slot].affinity);

    if (backend->is_worker)
        str_format(into, WHO_MAX, "drover affinity: %s worker %u", pool->config->name, number);
    else
        str_format(into, WHO_MAX, "drover affinity: %s server %s", pool->config->name, backend->authority);
    return !backend->is_worker || number != 0;
}

static void make_token(const struct pool *pool, const struct backend *backend, struct affinity_token *token)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    struct slice key = key_of(pool);
    char who[WHO_MAX];

    *token = (struct affinity_token){0};
    if (!name_of(pool, backend, who))
        return;
    CHECK(HMAC(EVP_sha256(), key.at, (int)key.size, (const unsigned char *)who, strlen(who), mac, NULL));
    put_base64url(mac, token->value);
    memcpy(&token->name, mac, sizeof token->name);
    token->name |= token->name == 0;
}

void affinity_init(struct pool *pool)
{
    pool->tokens = calloc(pool->count + 1, sizeof *pool->tokens);
    CHECK(pool->tokens);
    for (unsigned i = 0; i < pool->count; i++)
        make_token(pool, pool->backends[i], &pool->tokens[i]);
}

/* In the same time whether it is nearly right or not. */
uint64_t affinity_read(const struct pool *pool, struct slice value)
{
    uint64_t name = 0;

    if (value.size != AFFINITY_SIZE)
        return 0;
    for (unsigned i = 0; i < pool->count; i++)
        if (CRYPTO_memcmp(pool->tokens[i].value, value.at, AFFINITY_SIZE) == 0)
            name = pool->tokens[i].name;
    return name;
}

uint64_t affinity_write(const struct pool *pool, const struct backend *backend, char value[AFFINITY_SIZE])
{
    struct affinity_token token;
    unsigned index = 0;

    while (index < pool->count && pool->backends[index] != backend)
        index++;
    if (index < pool->count)
        token = pool->tokens[index];
    else
        make_token(pool, backend, &token);
    memcpy(value, token.value, AFFINITY_SIZE);
    return token.name;
}

enum affinity_choice affinity_choose(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    bool is_trial;

    for (unsigned i = 0; pool->tokens && i < pool->count; i++) {
        if (pool->tokens[i].name != pick->affinity)
            continue;
        uint64_t word = pool_word(pool, i);
        if (!pool_may_ask(pool, pick, i, &is_trial))
            return AFFINITY_FREE;
        *choice = (struct choice){i, word, is_trial};
        if (word_has_room(pool, pick->kind, word))
            return AFFINITY_TAKE;
        return is_trial ? AFFINITY_FREE : AFFINITY_WAIT; /* nobody waits for one that is ejected */
    }
    return AFFINITY_FREE;
}
