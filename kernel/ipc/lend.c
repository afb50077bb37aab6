/*
 * Priorities lent to servers (call.h), so that a caller waits for nothing less important than itself.
 *
 * A call lends its caller's priority from when it is made: to the thread that is woken for it, or, when all are busy, to
 * the one that received last. Whoever receives the call has it from then on, until the call is over. So a server with
 * one thread is as important as the most important of all who wait for it; of several threads at least one is. A server
 * that calls another meanwhile lends on what is lent to it when it calls.
 */
#include "ipc/call.h"

static void lend_to(struct msg_slot *s, const struct server_name *to)
{
    s->lends = thread_priority(s->thread);
    s->debtor = *to;
    if (!msg_slot_lend(to, s->lends))
        s->debtor.cell = NULL;
}

void call_lend(struct endpoint *ep, struct msg_slot *s)
{
    struct thread *t = endpoint_sleeper(ep);
    struct server_name to = ep->server;
    if (t)
        to = (struct server_name){ t->msg->cell, t->id };
    lend_to(s, &to);
}

void call_take_back(struct msg_slot *s)
{
    if (!s->debtor.cell)
        return;
    msg_slot_take_back(&s->debtor, s->lends);
    s->debtor.cell = NULL;
}

void call_lend_receiver(struct endpoint *ep, struct msg_slot *s)
{
    if (s->debtor.cell && s->debtor.thread == ep->server.thread)
        return;
    call_take_back(s);
    lend_to(s, &ep->server);
}
