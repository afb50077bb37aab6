/* Where calls and answers go that are nothing for the fast way (fastcall.c). */
#ifndef SYSCALL_FASTCALL_H
#define SYSCALL_FASTCALL_H

#include "klib/types.h"

int64_t ipc_call_general(handle_t h, int64_t timeout);
int64_t ipc_reply_recv_general(handle_t h, uint64_t token, uint32_t flags, int64_t timeout);

#endif
