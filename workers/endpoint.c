/* SPDX-License-Identifier: MIT
 *
 * A slot's address. The slot alone decides and not the configuration, which may be a newer one than the
 * process was started from: the keeper wrote the port before it said that there is a process, and none for
 * a worker with a socket of its own. */
#include "workers/endpoint.h"

#include "keeper/orders.h"

bool endpoint_find(struct address *address, const struct slots *slots, int slot, uint32_t generation,
                   pid_t keeper)
{
    char path[108], text[sizeof path + sizeof "unix:"];
    unsigned port = atomic_load(&slots->slot[slot].port);

    if (port != 0)
        return address_from_ip(address, SLICE("127.0.0.1"), port);
    worker_socket_path(path, keeper, slot, generation);
    size_t size = str_format(text, sizeof text, "unix:%s", path);
    return address_parse(address, (struct slice){text, size});
}
