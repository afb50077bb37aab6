/*
 * The split virtqueue against a device that is written here: what is given arrives as it was meant,
 * whatever the order in which it comes back; and a device that returns what it never had is found out.
 *
 * SOURCES: kernel/dev/virtqueue.c FLAGS: -Itests/host/fake -Ikernel
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dev/virtqueue.h"

/* The rings as the device sees them: written down here once more, from the standard. */
struct desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
struct avail {
    uint16_t flags, index, ring[VIRTQUEUE_MAX];
};
struct used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[VIRTQUEUE_MAX];
};

static struct virtqueue vq;
static uint16_t doorbell;

/* The device: chains it has fetched and not returned. */
static uint16_t seen;
static uint16_t held[VIRTQUEUE_MAX];
static unsigned nheld;

static int frames, refuse_after = -1;

paddr_t frame_alloc_zeroed(void)
{
    if (refuse_after == 0)
        return 0;
    refuse_after--;
    frames++;
    void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(p, 0, PAGE_SIZE);
    return (uintptr_t)p;
}

void frame_free(paddr_t p)
{
    frames--;
    free((void *)(uintptr_t)p);
}

static volatile struct desc *descs(void)
{
    return (volatile struct desc *)vq.desc_at;
}
static volatile struct avail *avail(void)
{
    return (volatile struct avail *)vq.avail_at;
}
static volatile struct used *used(void)
{
    return (volatile struct used *)vq.used_at;
}

static void open_queue(uint16_t size)
{
    CHECK(virtqueue_init(&vq, size) == OK);
    vq.notify = &doorbell;
    vq.index = 5;
    seen = 0;
    nheld = 0;
    CHECK(vq.desc_at % 16 == 0 && vq.avail_at % 2 == 0 && vq.used_at % 4 == 0);
}

static void close_queue(void)
{
    virtqueue_free(&vq);
    CHECK(frames == 0);
}

/* A chain of this many segments. All about it follows from its token. */
static struct dma_segment segment_of(uintptr_t token, unsigned i)
{
    return (struct dma_segment){ .address = token * 4096 + i * 64, .length = 64 - i % 7 };
}

static status_t give(uintptr_t token, unsigned readable, unsigned writable)
{
    struct dma_segment s[VIRTQUEUE_MAX + 1];

    for (unsigned i = 0; i < readable + writable; i++)
        s[i] = segment_of(token, i);
    return virtqueue_give(&vq, s, readable, writable, (void *)token);
}

/* The device fetches the next chain and checks it. */
static void fetch(uintptr_t token, unsigned readable, unsigned writable)
{
    CHECK(avail()->index != seen);
    uint16_t at = held[nheld++] = avail()->ring[seen++ % vq.size];
    for (unsigned i = 0; i < readable + writable; i++) {
        struct dma_segment s = segment_of(token, i);
        CHECK(at < vq.size);
        CHECK(descs()[at].address == s.address && descs()[at].length == s.length);
        CHECK((descs()[at].flags & 2) == (i < readable ? 0 : 2));
        CHECK((descs()[at].flags & 1) == (i + 1 < readable + writable));
        at = descs()[at].next;
    }
}

static void put_back(uint32_t id)
{
    volatile struct used *u = used();
    u->ring[u->index % vq.size].id = id;
    u->ring[u->index % vq.size].length = 1;
    u->index++;
}

/* Return one of the held chains. */
static void put_back_any(void)
{
    unsigned i = (unsigned)(check_random() % nheld);
    put_back(held[i]);
    held[i] = held[--nheld];
}

/* More rounds than the indices have numbers: they wrap. Chains come back in any order. */
static void test_random(uint16_t size)
{
    static struct {
        uintptr_t token;
        bool out;
    } tokens[VIRTQUEUE_MAX];
    unsigned out = 0, room = size;
    static unsigned lengths[VIRTQUEUE_MAX];

    memset(tokens, 0, sizeof tokens);
    open_queue(size);
    for (long i = 0; i < 200000; i++) {
        unsigned n = (unsigned)(check_random() % VIRTQUEUE_MAX);
        if (check_random() % 2 && !tokens[n].out) {
            unsigned readable = (unsigned)(check_random() % 4);
            unsigned writable = (unsigned)(check_random() % 4) + !readable;
            uintptr_t token = n + 1 + (uintptr_t)i * VIRTQUEUE_MAX;
            status_t st = give(token, readable, writable);
            CHECK(st == (readable + writable > room ? -EAGAIN : OK));
            if (st != OK)
                continue;
            tokens[n].token = token;
            tokens[n].out = true;
            lengths[n] = readable + writable;
            room -= lengths[n];
            out++;
            fetch(token, readable, writable);
        } else if (nheld) {
            put_back_any();
            uintptr_t token = (uintptr_t)virtqueue_take(&vq);
            CHECK(token);
            n = (unsigned)((token - 1) % VIRTQUEUE_MAX);
            CHECK(tokens[n].out && tokens[n].token == token);
            tokens[n].out = false;
            room += lengths[n];
            out--;
        }
        CHECK(vq.free_count == room && !vq.broken);
    }
    while (nheld)
        put_back_any();
    while (virtqueue_take(&vq))
        out--;
    CHECK(out == 0 && vq.free_count == size);
    close_queue();
}

/* One chain may take the whole queue, and none fits beside it. */
static void test_full(void)
{
    open_queue(16);
    CHECK(give(1, 8, 9) == -EAGAIN);
    CHECK(give(1, 8, 8) == OK);
    CHECK(give(2, 1, 0) == -EAGAIN);
    fetch(1, 8, 8);
    CHECK(!virtqueue_take(&vq));
    put_back_any();
    CHECK(virtqueue_take(&vq) == (void *)1);
    CHECK(!virtqueue_take(&vq) && !vq.broken);
    CHECK(give(2, 0, 1) == OK);
    close_queue();
}

/* Also while the device says that it need not be told: a fence in front of that look is not to be relied on. */
static void test_notify(void)
{
    open_queue(4);
    doorbell = 0;
    virtqueue_notify(&vq);
    CHECK(doorbell == 5);
    doorbell = 0;
    used()->flags = 1;
    virtqueue_notify(&vq);
    CHECK(doorbell == 5);
    close_queue();
}

/* Ids a device must not return: outside, never given, inside a chain, given back already. */
static void test_liar(uint32_t wrong, bool take_first)
{
    open_queue(8);
    CHECK(give(1, 1, 2) == OK);
    CHECK(give(2, 1, 2) == OK);
    fetch(1, 1, 2);
    fetch(2, 1, 2);
    if (take_first) {
        put_back(held[0]);
        CHECK(virtqueue_take(&vq) == (void *)1);
    }
    put_back(wrong);
    put_back(held[1]);
    CHECK(!virtqueue_take(&vq) && vq.broken);
    CHECK(!virtqueue_take(&vq));
    close_queue();
}

static void test_no_memory(void)
{
    for (int n = 0; n < 2; n++) {
        refuse_after = n;
        CHECK(virtqueue_init(&vq, 8) == -ENOMEM);
        CHECK(frames == 0);
    }
    refuse_after = -1;
}

int main(void)
{
    test_random(1 << 8);
    test_random(16);
    test_random(8);
    test_full();
    test_notify();
    test_liar(8, false);
    test_liar(UINT32_MAX, false);
    test_liar(0x10000, false);
    test_liar(7, false);
    test_liar(1, false);
    test_liar(0, true);
    test_no_memory();
    return check_done("virtqueue");
}
