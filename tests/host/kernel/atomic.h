/* For the explorer: before each atomic operation of kernel code another thread may run. Comes before all other headers. */
#ifndef HOST_KERNEL_ATOMIC_H
#define HOST_KERNEL_ATOMIC_H

void explore_point(const char *where, int line);

#define EXPLORED(operation)                \
    ({                                     \
        explore_point(__func__, __LINE__); \
        operation;                         \
    })
/* A macro's own name in its expansion means the function. */
#define __atomic_load_n(...)             EXPLORED(__atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...)            EXPLORED(__atomic_store_n(__VA_ARGS__))
#define __atomic_exchange_n(...)         EXPLORED(__atomic_exchange_n(__VA_ARGS__))
#define __atomic_fetch_add(...)          EXPLORED(__atomic_fetch_add(__VA_ARGS__))
#define __atomic_fetch_sub(...)          EXPLORED(__atomic_fetch_sub(__VA_ARGS__))
#define __atomic_add_fetch(...)          EXPLORED(__atomic_add_fetch(__VA_ARGS__))
#define __atomic_sub_fetch(...)          EXPLORED(__atomic_sub_fetch(__VA_ARGS__))
#define __atomic_fetch_or(...)           EXPLORED(__atomic_fetch_or(__VA_ARGS__))
#define __atomic_fetch_and(...)          EXPLORED(__atomic_fetch_and(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) EXPLORED(__atomic_compare_exchange_n(__VA_ARGS__))

#endif
