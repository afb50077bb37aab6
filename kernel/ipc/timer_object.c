/* Timers that programs hold (timer_object.h). */
#include "ipc/timer_object.h"
#include "mm/heap.h"
#include "x86/clock.h"

/* A shorter period would do nothing but interrupt. */
#define PERIOD_MIN_NS 50000u

static void fire(struct timer *timer)
{
    struct timer_object *t = CONTAINER(timer, struct timer_object, timer);
    uint64_t period = __atomic_load_n(&t->period, __ATOMIC_RELAXED);
    if (period) {
        uint64_t next = timer->deadline + period, now = clock_ns();
        timer_arm(timer, next > now ? next : now + period);
    }
    object_signal(&t->obj, 0, EV_TIMER);
}

static void destroy(struct object *o)
{
    struct timer_object *t = CONTAINER(o, struct timer_object, obj);
    t->period = 0;
    timer_cancel(&t->timer);
    kfree(t);
}

static const struct object_ops ops = { .destroy = destroy };

struct timer_object *timer_object_create(void)
{
    struct timer_object *t = kzalloc(sizeof *t);
    if (!t)
        return NULL;
    object_init(&t->obj, OBJ_TIMER, &ops);
    timer_init(&t->timer, fire);
    return t;
}

void timer_object_set(struct timer_object *t, int64_t deadline, uint64_t period)
{
    __atomic_store_n(&t->period, 0, __ATOMIC_RELAXED);
    timer_cancel(&t->timer);
    object_signal(&t->obj, EV_TIMER, 0);
    if (deadline < 0)
        return;
    period = period && period < PERIOD_MIN_NS ? PERIOD_MIN_NS : period;
    __atomic_store_n(&t->period, period, __ATOMIC_RELAXED);
    timer_arm(&t->timer, (uint64_t)deadline);
}
