/*
 * Many requests at once, of all sizes and alignments, against a model of what the disk must hold
 * (test=blk.load, [seed=] [rounds=]). Each round starts requests on ranges of sectors that do not
 * overlap, as many as the device takes, and waits for them at a port.
 */
#include "tests/prog/blk.h"

#define SECTORS 8192u                  /* how much of the disk is used */
#define SPACE   (4u << 20)             /* bytes of memory */
#define BATCH   128u

struct job {
    uint32_t op;
    uint32_t sector, count;
    size_t offset;
    bool open;
};

static uint32_t version[SECTORS];       /* how often each sector was written */
static struct job jobs[BATCH];
static uint64_t state;
static unsigned full;                   /* EAGAIN seen */
static uint64_t moved;                  /* sectors */
static handle_t port;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

/* What a sector holds after it was written n times; it is zero before. */
static void pattern(uint64_t *words, uint32_t sector, uint32_t n)
{
    for (uint32_t i = 0; i < BLK_SECTOR / 8; i++)
        words[i] =
            n == 0 ? 0 : ((uint64_t)sector << 40 | (uint64_t)n << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static void fill(const struct job *j)
{
    for (uint32_t i = 0; i < j->count; i++)
        pattern((uint64_t *)(data + j->offset + i * BLK_SECTOR), j->sector + i,
                ++version[j->sector + i]);
}

static void verify(const struct job *j)
{
    uint64_t wanted[BLK_SECTOR / 8];

    for (uint32_t i = 0; i < j->count; i++) {
        pattern(wanted, j->sector + i, version[j->sector + i]);
        EXPECT(0, memcmp(data + j->offset + i * BLK_SECTOR, wanted, BLK_SECTOR));
    }
}

/* Choose the requests of a round. `small` makes them short, so that many are under way. */
static unsigned choose(bool small)
{
    uint32_t unit = info.sector_size / BLK_SECTOR;
    uint32_t most = (small ? 4 : info.max_sectors) / unit, sector = 0;
    size_t offset = 0;
    unsigned n = 0;

    if (most == 0)
        most = 1;
    while (n < BATCH) {
        uint32_t count = (below(4) ? 1 + below(most) : most) * unit;

        sector += below(small ? 8 : 64) * unit;
        offset += below(16) * BLK_SECTOR;
        if (sector + count > SECTORS || offset + count * BLK_SECTOR > SPACE)
            break;
        jobs[n++] = (struct job){ below(2) ? BLK_READ : BLK_WRITE, sector, count, offset, false };
        sector += count;
        offset += count * BLK_SECTOR;
    }
    return n;
}

/* Take what is done; at least one. */
static unsigned reap(unsigned njobs)
{
    struct blk_completion done[7];
    struct port_event event;
    unsigned total = 0;
    int64_t n;

    EXPECT(0, port_next(port, &event, 10000 * MS));
    do {
        n = sys_blk_reap(disk, done, 7, 0);
        EXPECT_TRUE(n >= 0);
        for (int64_t i = 0; i < n; i++) {
            EXPECT_TRUE(done[i].cookie < njobs && jobs[done[i].cookie].open);
            EXPECT(0, done[i].status);
            jobs[done[i].cookie].open = false;
            if (jobs[done[i].cookie].op == BLK_READ)
                verify(&jobs[done[i].cookie]);
        }
        total += (unsigned)n;
    } while (n > 0);
    return total;
}

static void round_of(unsigned njobs)
{
    unsigned next = 0, open = 0;

    while (next < njobs || open > 0) {
        if (next < njobs) {
            struct job *j = &jobs[next];
            int64_t st;

            if (!j->open && j->op == BLK_WRITE)
                fill(j);
            j->open = true;
            st = submit(j->op, j->offset, j->sector, j->count, next);
            if (st == 0) {
                next++;
                open++;
                moved += j->count;
                continue;
            }
            EXPECT(-EAGAIN, st);
            EXPECT_TRUE(open > 0);
            full++;
        }
        open -= reap(njobs);
    }
}

int main(void)
{
    unsigned rounds = (unsigned)blk_number("rounds", 40);

    state = blk_number("seed", 1) * 2 + 1;
    blk_begin(SPACE);
    EXPECT_TRUE(info.sectors >= SECTORS);
    for (unsigned i = 0; i < SPACE / PAGE_SIZE;
         i += 3)   /* pages that are not neighbours in memory */
        data[(i * 577 % (SPACE / PAGE_SIZE)) * PAGE_SIZE] = 1;
    port = (handle_t)sys_port_create();
    EXPECT(0, sys_port_add(port, disk, EV_READABLE, 0));
    for (unsigned r = 0; r < rounds; r++)
        round_of(choose(r % 2 == 0));
    printf("BLK: %llu sectors moved, %u times full\n", (unsigned long long)moved, full);
    test_mark("BLK: load ok");
    return 0;
}
