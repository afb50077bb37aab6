/* Planted bugs (plant.h). An ordinary kernel would be broken by them and has none. */
#include "selftest/plant.h"

#ifdef DEBUG
#include "klib/string.h"

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

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    { "shift", shift_too_far },   { "overflow", add_too_much },
    { "bounds", index_too_high }, { "divide", divide_by_nothing },
    { "null", follow_null },      { "alignment", read_crooked },
    { "bool", load_half_true },   { "unreachable", arrive_nowhere },
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
