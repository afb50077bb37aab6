/*
 * Block devices: what all of them share, whatever drives them.
 *
 * A request is checked as a whole before anything is given to the device. While it is under way
 * it keeps a reference on the memory object, whose pages therefore stay where they are, whatever
 * its process does: unmap, close, die.
 *
 * Completions belong to the process that submitted (its struct blk_client). What a process leaves
 * behind when it ends is completed and dropped by a kernel thread, the janitor: neither an
 * interrupt handler nor a neighbour frees a stranger's memory.
 */
#ifndef DEV_BLK_H
#define DEV_BLK_H

#include "dev/virtqueue.h"
#include "mm/shm.h"
#include "object/object.h"
#include "sched/thread.h"

#define BLK_QUEUE_MAX    128  /* most requests in flight of a device */
#define BLK_PLACE        16   /* bytes for the name of a place on the buses */
#define BLK_REAP_MAX     16   /* completions taken at once by blk_reap */
#define BLK_SEGMENTS_MAX (VIRTQUEUE_MAX - 2)

/* One request. */
struct blk_io {
    struct list node;          /* [b] in blk.inflight, then in blk_client.done */
    struct blk_client *client; /* [I] who submitted it; stays while it has requests */
    struct shm *shm;           /* [I] holds a reference; NULL: no data */
    uint32_t op;               /* [I] enum blk_op */
    uint64_t sector;           /* [I] in BLK_SECTOR units */
    uint64_t cookie;           /* [I] the submitter's */
    status_t status;           /* [b] once done */
    uint32_t slot;             /* [b] the driver's, while in flight */
    /*
     * The data, in segments[1] … segments[count]. The first and the last element are room for
     * what the driver puts around it. Only while the request is being started.
     */
    struct dma_segment *segments;
    unsigned count;
};

struct blk;

struct blk_driver {
    /* Give the request to the device. b->lock is held. -EAGAIN: no room now. */
    status_t (*start)(struct blk *b, struct blk_io *io);
    /* Stop a failed device; sleeps or polls. False: it may still touch memory. */
    bool (*stop)(struct blk *b);
    /* Free the device and everything about it. Only a device that could not be added ends. */
    void (*destroy)(struct blk *b);
};

struct blk {
    struct object obj;
    const struct blk_driver *driver; /* [I] */
    char place[BLK_PLACE];           /* [I] for people: where the device is */
    const char *interrupt;           /* [I] for people: how it interrupts */
    uint32_t flags;                  /* [I] enum blk_info_flags */
    uint32_t sector_size;            /* [I] bytes; requests are multiples of it */
    uint32_t max_segments;           /* [I] most pieces of data in a request */
    uint32_t segment_size;           /* [I] most bytes of a piece, a multiple of BLK_SECTOR */
    uint32_t max_sectors;            /* [I] largest request; set by blk_add */
    uint32_t queue;                  /* [I] most requests in flight, and unreaped of a process */
    struct spinlock lock;            /* b */
    uint64_t sectors;                /* [b] capacity in BLK_SECTOR units */
    bool failed;                     /* [b] the device can't be trusted any more */
    bool stopped;                    /* [b] and has been stopped */
    uint32_t done_count;             /* [b] finished requests, not reaped: EV_READABLE */
    struct list clients;             /* [b] struct blk_client.node */
    struct list inflight;            /* [b] struct blk_io.node */
    struct wait_queue drained;       /* [b] submitters waiting for requests of dead processes */
};

/* ---- for main.c and the system calls ---- */

/* The device with that number in the order of PCI addresses, or NULL. It stays for ever. */
struct blk *blk_device(unsigned index);
/* Print `BLK: found …` for each device, each line ended by suffix, or that there is none. */
void blk_announce(const char *suffix);

void blk_describe(struct blk *b, struct blk_info *info);

/*
 * Start a request of process owner, with data in s (NULL for BLK_FLUSH). A flush of a device
 * without write cache is done at once. While requests of a process that has ended are under way it
 * sleeps: who takes over a disk must not read what a dead process's write is about to change.
 * Nothing has happened on an error: -EINVAL (flags, range, alignment), -EROFS, -EAGAIN (the device
 * or the owner's share is full), -ENOMEM, -EIO (failed), -EINTR.
 */
status_t blk_submit(struct blk *b, struct object *owner, const struct blk_request *req,
                    struct shm *s) MUST_CHECK;

/* Completions on their way to a process, which may turn out not to be able to take them. */
struct blk_batch {
    struct list ios;
    size_t count; /* of done */
    struct blk_completion done[BLK_REAP_MAX];
};
/*
 * Take up to n (1 … BLK_REAP_MAX) completions of owner, waiting until deadline for the first (0:
 * not at all).
 * -ETIMEDOUT, -EINTR, -ENOMEM. On OK one of the two below must follow.
 */
status_t blk_reap(struct blk *b, struct object *owner, size_t n, uint64_t deadline,
                  struct blk_batch *batch) MUST_CHECK;
void blk_reap_accept(struct blk *b, struct blk_batch *batch);
void blk_reap_return(struct blk *b, struct blk_batch *batch);

/* ---- for drivers ---- */

/*
 * Make b an object with the caller's reference; then the driver fills in the [I] fields and the
 * capacity and calls blk_add, which takes the reference over. At boot, in the order of PCI
 * addresses. -ENOMEM; -EOPNOTSUPP: the limits are too small for any request.
 */
void blk_init(struct blk *b, const struct blk_driver *driver);
status_t blk_add(struct blk *b) MUST_CHECK;
/* A request is done: 0 or an errno. b->lock is held. */
void blk_finish(struct blk *b, struct blk_io *io, status_t status);
/*
 * The device has misbehaved: it gets no more requests, and the open ones end with -EIO. b->lock is
 * held.
 */
void blk_fail(struct blk *b);
/*
 * The device has (now) this many BLK_SECTOR units; what is no whole sector of it does not count.
 * b->lock is held, or b is not added yet.
 */
void blk_set_capacity(struct blk *b, uint64_t sectors);

#endif
