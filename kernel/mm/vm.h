/*
 * Address spaces: regions of user memory and the page tables that follow them.
 *
 * Mapping only records a region; pages come at the first touch (vm_fault). A region is anonymous, with private
 * zeroed pages of its own, or a window on a memory object. No region is writable and executable.
 */
#ifndef MM_VM_H
#define MM_VM_H

#include "klib/tree.h"
#include "mm/shm.h"
#include "mm/usercopy.h"

struct aspace {
    struct spinlock lock;  /* v */
    paddr_t root;          /* [I] PML4 */
    struct tree regions;   /* [v] by start address (region.h) */
    struct region *first;  /* [v] the lowest */
    struct region *recent; /* [v] found last */
    struct region *spare;  /* [v] memory for the next one, parked; or NULL */
    struct leaving *leaving; /* [v] ranges that are being unmapped */
    uintptr_t base;        /* [I] where the mmap area begins */
    uintptr_t hint;        /* [v] below it the mmap area has no gap worth a look */
    uint32_t region_count; /* [v] */
    uint64_t pages;        /* [v] private frames: anonymous pages and page tables */
    struct purse purse;    /* [v] pays for them and for regions */
    union {
        struct {
            uint32_t cpus; /* [a] CPUs that run a thread of it: they are told what is unmapped */
            uint32_t loaded; /* [a] CPUs that have its page tables loaded, in use or not */
        };
        uint64_t presence; /* both, for who changes both */
    };
    uint64_t generation; /* [a] counts what took translations away; changed with v held */
};

/* a pays for what it takes, as long as it lives. NULL when memory is out, or a's limit. */
struct aspace *aspace_create(struct account *a);
/* Unmap all and free. No thread uses it any more; the CPUs that have it loaded are made to leave it. */
void aspace_destroy(struct aspace *as);
/*
 * Load the page tables for the thread that runs next on this CPU; NULL (kernel threads) keeps what is loaded.
 * Interrupts are off.
 */
void aspace_switch(struct aspace *as);
/* The address space loaded for the current thread. */
struct aspace *aspace_current(void);

/*
 * Map len bytes (page multiple, not 0) with prot. shm NULL: anonymous, else from its byte offset (page multiple).
 * addr is a hint, or with fixed the place. max_prot bounds later vm_protect. copy: writes go to copies that only this
 * address space sees. *at is where it went.
 * -EINVAL: bad numbers or W+X; -EEXIST: fixed and taken; -EPERM: writable, but the object is sealed; -ENOMEM.
 */
struct vm_map_args {
    uintptr_t addr;
    uint64_t len;
    uint32_t prot, max_prot;
    bool fixed, copy;
    struct shm *shm;
    uint64_t offset;
};
status_t vm_map(struct aspace *as, const struct vm_map_args *a, uintptr_t *at) MUST_CHECK;
/*
 * The lock is not held all the time, but other threads find all of the range gone at once, and nothing can be mapped there
 * before the end. -EINVAL: bad numbers; -ENOMEM: a region could not be split. Nothing has changed then.
 */
status_t vm_unmap(struct aspace *as, uintptr_t addr, uint64_t len) MUST_CHECK;
/*
 * -EINVAL: bad numbers, W+X or a hole; -EACCES: more than max_prot; -EPERM: sealed; -ENOMEM as vm_unmap. Nothing has
 * changed then, but for this: when there are many regions others come in between, and what they unmap or map in the range
 * meanwhile may make it fail half done.
 */
status_t vm_protect(struct aspace *as, uintptr_t addr, uint64_t len, uint32_t prot) MUST_CHECK;
/* Make anonymous memory readable and writable; what is so already keeps its contents. Errors as vm_protect. */
status_t vm_commit(struct aspace *as, uintptr_t addr, uint64_t len) MUST_CHECK;
/* Give up the pages that only this address space has; the protection stays. -EINVAL: bad numbers, a hole, shared memory. */
status_t vm_decommit(struct aspace *as, uintptr_t addr, uint64_t len) MUST_CHECK;

/*
 * Bring the page at va in for an access (VM_READ, VM_WRITE or VM_EXEC). -EFAULT: nothing mapped; -EACCES: not
 * allowed; -ENXIO: past the end of the object, which has shrunk; -ENOMEM: no frame. Called by the page-fault handler for
 * any va below KERNEL_HALF. Interrupts are on: it may have to wait for other CPUs.
 */
status_t vm_fault(struct aspace *as, uintptr_t va, uint32_t access) MUST_CHECK;

/*
 * The memory object mapped at va, with a reference, and the byte offset of va in it; NULL when there is none or the
 * memory there is private.
 */
struct shm *vm_object_at(struct aspace *as, uintptr_t va, uint64_t *offset);

/*
 * Bring the page at va in for an access and keep its memory in place until vm_unpin, whatever becomes of the mapping.
 * Errors as vm_fault. va lies in the user half. The caller keeps as from ending.
 */
struct vm_pin {
    char *at; /* kernel address of the byte at va */
    paddr_t frame; /* 0: memory that is never freed */
    struct shm *shm; /* an object that is written to, pinned as well; or NULL */
};
status_t vm_pin(struct aspace *as, uintptr_t va, uint32_t access, struct vm_pin *pin) MUST_CHECK;
void vm_unpin(const struct vm_pin *pin);

/* Copy between kernel memory and an address space that need not be current. -EFAULT: not mapped with that access. */
status_t vm_read_foreign(struct aspace *as, uintptr_t va, void *dst, size_t n) MUST_CHECK;
/* ignore_prot: write whatever the region's protection says (loaders), but never to memory that is shared. */
status_t vm_write_foreign(struct aspace *as, uintptr_t va, const void *src, size_t n,
                          bool ignore_prot) MUST_CHECK;

/* ---- for shm.c: all mappings of an object ---- */

/* Unmap the object's pages from index first on, everywhere; copies stay. */
void vm_object_cut(struct shm *s, uint64_t first);
/* s->write_stop is set: whether nobody can write to its pages any more through a mapping; false: one is writable. */
bool vm_object_stop_writes(struct shm *s);

#endif
