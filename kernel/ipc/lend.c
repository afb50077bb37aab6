/*
 * Priorities lent to servers (call.h), so that a caller waits for nothing less important than itself.
 *
 * A call lends its caller's priority from when it is made: to the thread that is woken for it, or, when all are busy, to
 * the one that received last. Whoever receives the call has it from then on, until the call is over. So a server with
 * one thread is as important as the most important of all who wait for it; of several threads at least one is.
 *
 * A priority that changes while its thread is in a call, because something is lent to it or otherwise, goes on to who is
 * lent to: the thread is woken (WORK_PRIORITY) and sees to it itself, with its own endpoint locked and no other. So it
 * goes down a chain of servers that call each other, and ends where a priority stays as it is.
 */
#include "ipc/call.h"

static void lend_to(struct msg_slot *s, const struct server_name *to)
{
    uint32_t priority = thread_priority(s->thread);
    s->server = *to;
    s->lends = msg_slot_lend(to, priority) ? priority : 0;
}

/* The thread that received last, as far as is known: the fast way notes it in the call only. */
static struct server_name last_receiver(const struct endpoint *ep)
{
    return list_empty(&ep->received) ? ep->server
                                     : LIST_ENTRY(ep->received.prev, struct msg_slot, node)->server;
}

void call_lend(struct endpoint *ep, struct msg_slot *s)
{
    struct thread *t = endpoint_sleeper(ep);
    struct server_name to = t ? (struct server_name){ t->msg->cell, t->id } : last_receiver(ep);
    lend_to(s, &to);
}

void call_take_back(struct msg_slot *s)
{
    if (s->lends)
        msg_slot_take_back(&s->server, s->lends);
    s->lends = 0;
}

void call_lend_receiver(struct endpoint *ep, struct msg_slot *s)
{
    if (s->lends && s->server.thread == ep->server.thread)
        return;
    call_take_back(s);
    lend_to(s, &ep->server);
}

void call_lend_again(struct endpoint *ep, struct msg_slot *s)
{
    struct server_name server = s->server;
    uint32_t before = s->lends;
    if (s->state == CALL_QUEUED)
        call_lend(ep, s);
    else
        lend_to(s, &server);
    if (before)
        msg_slot_take_back(&server, before);
}
