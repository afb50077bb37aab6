/* Planted bugs (plant.h). An ordinary kernel would be broken by them and has none. */
#include "selftest/plant.h"

#ifdef DEBUG
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "object/object.h"

/* Not known to the compiler, which would else see the bugs itself. */
static volatile int vary = 1;
static volatile int sink;

static void shift_too_far(void)
{
    sink = vary << (vary + 40);
}
static void add_too_much(void)
{
    sink = vary + INT32_MAX;
}
static void index_too_high(void)
{
    static int four[4];
    sink = four[vary + 3];
}
static void divide_by_nothing(void)
{
    sink = 1 / (vary - 1);
}
static void follow_null(void)
{
    int *nowhere = vary ? NULL : (int *)&sink;
    sink = *nowhere;
}
static void read_crooked(void)
{
    static const char bytes[8];
    sink = *(const int *)(bytes + vary);
}
static void load_half_true(void)
{
    union {
        uint8_t byte;
        bool truth;
    } u = { .byte = (uint8_t)(vary + 1) };
    sink = u.truth;
}
static void arrive_nowhere(void)
{
    if (vary)
        __builtin_unreachable();
    sink = 0;
}

/* Objects of a size that nobody else uses meanwhile. */
#define SIZE 600

static void write_freed_object(void)
{
    char *keeps_slab = kmalloc(SIZE), *p = kmalloc(SIZE);
    kfree(p);
    p[SIZE / 2] = (char)vary;
    sink = *keeps_slab + *(int *)kmalloc(SIZE);
}
static void write_past_object(void)
{
    char *p = kmalloc(SIZE);
    p[SIZE] = (char)vary;
    kfree(p);
}
static void free_object_twice(void)
{
    void *p = kmalloc(SIZE), *keeps_slab = kmalloc(SIZE);
    kfree(p);
    kfree(p);
    kfree(keeps_slab);
}
static void free_middle_of_object(void)
{
    char *p = kmalloc(SIZE);
    kfree(p + 16);
}
static void write_freed_frame(void)
{
    paddr_t p = frame_alloc();
    frame_free(p);
    *(volatile int *)phys_to_virt(p) = vary;
    sink = (int)frame_alloc();
}
static void free_frame_twice(void)
{
    paddr_t p = frame_alloc();
    frame_free(p);
    frame_free(p);
}

static void leave_it(struct object *o)
{
    (void)o;
}
static const struct object_ops ops = { .destroy = leave_it };
static struct object victim;

static void put_too_often(void)
{
    object_init(&victim, OBJ_TIMER, &ops);
    object_put(&victim);
    object_put(&victim);
}
static void get_from_the_dead(void)
{
    struct object *o = kzalloc(sizeof *o);
    kfree(o);
    object_get(o);
}
static void drop_handle_too_often(void)
{
    object_init(&victim, OBJ_TIMER, &ops);
    sink = object_handle_removed(&victim);
}

static struct spinlock low = SPINLOCK_INIT(RANK_JOB), high = SPINLOCK_INIT(RANK_HEAP);

static void lock_downwards(void)
{
    spin_lock(&high);
    spin_lock(&low);
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    { "shift", shift_too_far },
    { "overflow", add_too_much },
    { "bounds", index_too_high },
    { "divide", divide_by_nothing },
    { "null", follow_null },
    { "alignment", read_crooked },
    { "bool", load_half_true },
    { "unreachable", arrive_nowhere },
    { "use-after-free", write_freed_object },
    { "overrun", write_past_object },
    { "double-free", free_object_twice },
    { "wild-free", free_middle_of_object },
    { "frame-use-after-free", write_freed_frame },
    { "frame-double-free", free_frame_twice },
    { "underflow", put_too_often },
    { "get-freed", get_from_the_dead },
    { "handle-underflow", drop_handle_too_often },
    { "lock-order", lock_downwards },
};

bool plant_bug(const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!strcmp(kind, kinds[i].name)) {
            kinds[i].run();
            return true;
        }
    return false;
}
#else
bool plant_bug(const char *kind)
{
    (void)kind;
    return false;
}
#endif
