"""State machines of the kernel under the explorer (explore.h), and bugs planted in them, each of which it finds."""

import subprocess

import pytest

from rugo.machine import BUILD, ROOT, make

MACHINES = sorted(path.stem.removeprefix("explore_") for path in (ROOT / "tests/host").glob("explore_*.c"))

# machine: [(file, what stands there, what shall stand there)]: a race each, of the kind that comes by itself.
PLANTS = {
    "handle: a reference taken too late": ("handle", "kernel/proc/handle.c", """\
        object_get(e->obj);
        if (counted)
            object_handle_added(e->obj);
    }
    spin_unlock(&t->lock);
""", """\
    }
    spin_unlock(&t->lock);
    if (st == OK)
        object_get(g->obj);
    if (st == OK && counted)
        object_handle_added(g->obj);
"""),
    "handle: numbers are not told apart": ("handle", "kernel/proc/handle.c", "        e->generation++;\n", ""),
    "handle: a link that two take off": ("handle", "kernel/proc/handle.c", "            *at = l->next;\n            found = true;\n",
                                         "            found = true;\n"),
    "futex: the word is looked at too early": ("futex", "kernel/ipc/futex.c", """\
    bucket_lock(b);
    status_t st = user_peek32(&now, (struct user_in){ va });
""", """\
    status_t st = user_peek32(&now, (struct user_in){ va });
    bucket_lock(b);
"""),
    "futex: who timed out counts as woken": ("futex", "kernel/ipc/futex.c", "woken += take_out(w);",
                                             "(void)take_out(w), woken++;"),
    "wait: a kill is looked for too early": ("futex", "kernel/sched/handover.h", "    bool sleeps = go_to_sleep(t, deadline, WORK_KILL | WORK_UPCALL);\n",
                                             "    uint32_t seen = __atomic_load_n(&t->work, __ATOMIC_ACQUIRE);\n"
                                             "    bool sleeps = go_to_sleep(t, deadline, (WORK_KILL | WORK_UPCALL) & ~seen);\n"),
    "port: an event without its lock": ("port", "kernel/ipc/port.c", """\
    spin_lock(&r->port->lock);
    make_ready(r->port, &r->ready, events);
    spin_unlock(&r->port->lock);
""", """\
    r->ready.events |= events;
    bool first = list_empty(&r->ready.node);
    spin_lock(&r->port->lock);
    if (first)
        list_add_tail(&r->port->ready, &r->ready.node);
    spin_unlock(&r->port->lock);
"""),
    "port: found but not held": ("port", "kernel/ipc/port.c", "        __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);\n",
                                 "        (void)r;\n"),
    "port: the closing wakes nobody": ("port", "kernel/ipc/port.c", "    wait_wake_all(&p->waiters, -EBADF);\n", ""),
    "endpoint: a dead one still gives out calls": ("endpoint", "kernel/ipc/endpoint.c", "(ep->dead || prio_queue_empty(&ep->queue))",
                                                   "prio_queue_empty(&ep->queue)"),
    "endpoint: the caller leaves while it is copied from": ("endpoint", "kernel/ipc/endpoint.c", "    while (s->copying)\n",
                                                            "    while (s->copying > 1)\n"),
    "endpoint: cancelled twice": ("endpoint", "kernel/ipc/endpoint.c", "    if (s->item.kind == ITEM_CANCEL)\n        return;\n    s->item",
                                  "    s->item"),
    "endpoint: a token that stays good": ("endpoint", "kernel/ipc/endpoint.c", "    call_left_server(s);\n", "    list_del(&s->node);\n"),
    "endpoint: a change passes who waits": ("endpoint", "kernel/ipc/endpoint.c", "deadline, heed | WORK_PRIORITY);", "deadline, heed);"),
    "endpoint: a change passes who is about to wait": ("endpoint", "kernel/sched/wait.c", """\
    __atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
    return (t""", """\
    if (bits != WORK_PRIORITY || t->state == THREAD_BLOCKED)
        __atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
    return (t"""),
    "endpoint: who is moved in the queue stays at its place": ("endpoint", "kernel/ipc/endpoint.c",
                                                              "        place(s->session, &s->item, priority);\n",
                                                              "        place(s->session, &s->item, 5);\n"),
    "endpoint: what is lent is not lent on": ("endpoint", "kernel/ipc/endpoint.c", "    call_lend_again(s->session->ep, s);\n", ""),
    "endpoint: what was lent is not taken back": ("endpoint", "kernel/ipc/lend.c", """\
    if (before)
        msg_slot_take_back(&server, before);
""", "    (void)before;\n"),
    "fastcall: a session that was revoked": ("fastcall", "kernel/syscall/fastcall.c", "(session->revoked ||", "((session->revoked && false) ||"),
    "fastcall: the queue is overtaken by an answer": ("fastcall", "kernel/syscall/fastcall.c", """\
    if (UNLIKELY(!prio_queue_empty(&ep->queue)))
        return NULL;
    struct msg_slot *s""", "    struct msg_slot *s"),
    "fastcall: a token that stays good": ("fastcall", "kernel/syscall/fastcall.c", "    call_left_server(s);\n", ""),
    "fastcall: who is woken early is not told that it is over": ("fastcall", "kernel/syscall/fastcall.c",
                                                                 "    s->state = CALL_DONE;\n", ""),
    "fastcall: a priority that rises is not lent": ("fastcall", "kernel/syscall/fastcall.c",
                                                    "WORK_KILL | WORK_UPCALL | WORK_PRIORITY", "WORK_KILL | WORK_UPCALL"),
    "handover: its registers are not saved yet": ("fastcall", "kernel/sched/handover.h", "t->state == THREAD_BLOCKED && !t->on_cpu &&",
                                                  "t->state == THREAD_BLOCKED &&"),
    "handover: it sleeps no more": ("fastcall", "kernel/sched/handover.h", "bool ours = t->state == THREAD_BLOCKED && ", "bool ours = "),
    "handover: a kill is looked for too early": ("fastcall", "kernel/sched/handover.h",
                                                 "    bool sleeps = go_to_sleep(prev, deadline, heed);\n",
                                                 "    uint32_t seen = __atomic_load_n(&prev->work, __ATOMIC_ACQUIRE);\n"
                                                 "    bool sleeps = go_to_sleep(prev, deadline, heed & ~seen);\n"),
    "vm: freed before all have forgotten": ("vm", "kernel/mm/aspace.c", """\
    if (b->cpus)
        smp_flush_tlb(b->cpus, b->from, b->to);
    frame_list_free(&b->frames);
""", """\
    frame_list_free(&b->frames);
    if (b->cpus)
        smp_flush_tlb(b->cpus, b->from, b->to);
"""),
    "vm: a CPU that comes back is not told": ("vm", "kernel/mm/aspace.c", "    else if (cpu->aspace_seen != generation)\n        write_cr3(as->root);\n",
                                              ""),
    "vm: who uses it is asked too early": ("vm", "kernel/mm/aspace.c", """\
    __atomic_fetch_or(&as->cpus, bit_of(cpu), __ATOMIC_SEQ_CST);
    cpu->aspace_used = true;
    uint64_t generation = __atomic_load_n(&as->generation, __ATOMIC_SEQ_CST);
""", """\
    uint64_t generation = __atomic_load_n(&as->generation, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&as->cpus, bit_of(cpu), __ATOMIC_SEQ_CST);
    cpu->aspace_used = true;
"""),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_machine(machine, rounds):
    make(BUILD / "host" / f"explore_{machine}")
    options = {"switches": rounds(2, 3), "limit": rounds(20_000, 3_000_000), "random": rounds(2_000, 300_000)}
    done = subprocess.run([BUILD / "host" / f"explore_{machine}", *(word for key, value in options.items() for word in
                                                                    (f"--{key}", str(value)))],
                          capture_output=True, text=True, timeout=rounds(120, 7200))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_bug_is_found(tmp_path, plant):
    machine, file, old, new = PLANTS[plant]
    text = (ROOT / file).read_text()
    assert text.count(old) == 1, f"{file} has changed: the bug must be planted in another way"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text.replace(old, new))
    make(f"PLANTED={tmp_path}", tmp_path / f"explore_{machine}")
    done = subprocess.run([tmp_path / f"explore_{machine}"], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0, f"nobody noticed:\n{done.stdout}"
    assert any(who in done.stderr for who in ("explore:", "AddressSanitizer", "runtime error")), done.stderr
