/*
 * kmain: the order in which the machine comes to life.
 */
#include "dev/blk.h"
#include "dev/dev.h"
#include "dev/machine.h"
#include "dev/serial_device.h"
#include "entry/limine.h"
#include "entry/trap.h"
#include "ipc/endpoint.h"
#include "klib/boot_info.h"
#include "klib/cmdline.h"
#include "klib/printf.h"
#include "klib/stack_guard.h"
#include "klib/string.h"
#include "mm/frame.h"
#include "mm/pagetable.h"
#include "mm/shm.h"
#include "proc/process.h"
#include "selftest/selftest.h"
#include "syscall/system.h"
#include "x86/acpi.h"
#include "x86/apic.h"
#include "x86/clock.h"
#include "x86/gdt.h"
#include "x86/random.h"
#include "x86/serial.h"
#include "x86/smp.h"

extern char kernel_start[], kernel_end[];

void kmain(void);

static struct boot_info boot;
static struct acpi_info acpi;

#define LAPIC_DEFAULT 0xfee00000u

static bool in_direct_map(paddr_t at, uint64_t length)
{
    for (paddr_t page = align_down(at, PAGE_SIZE); page < at + length; page += PAGE_SIZE)
        if (!cpu_can_read(HHDM_BASE + page))
            return false;
    return true;
}

/* Tables lie in memory that the direct map covers; anything else is mapped like a device. */
static const void *map_firmware(paddr_t at, uint64_t length)
{
    if (at == 0 || at >= HHDM_MAX || length > HHDM_MAX - at)
        return NULL;
    if (in_direct_map(at, length))
        return phys_to_virt(at);
    return (const void *)(uintptr_t)kmap_device(at, length);
}

static void interrupts_init(void)
{
    acpi_read(&acpi, boot.rsdp_phys, map_firmware);
    pic_disable();
    volatile void *lapic = kmap_device(acpi.lapic ? acpi.lapic : LAPIC_DEFAULT, PAGE_SIZE);
    if (!lapic)
        panic(PANIC_MEMORY, "no memory to map the local APIC");
    lapic_init(lapic);
    cpus[0].apic_id = lapic_id();
    for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
        volatile void *regs = kmap_device(acpi.ioapics[i].address, PAGE_SIZE);
        if (regs)
            ioapic_init(regs, acpi.ioapics[i].first_gsi);
    }
}

static uint64_t frames_of(uint64_t bytes)
{
    return align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT;
}

/* The handles of the first process: everything there is. It deals them out. */
static void start_first_process(void)
{
    struct first_handle h[16];
    size_t n = 0;
    struct shm *initrd =
        boot.initrd_size ? shm_create_contiguous(boot.initrd_phys, boot.initrd_size) : NULL;
    if (!initrd)
        panic(PANIC_BOOT, "no initrd: the loader gave no second module");
    h[n++] = (struct first_handle){ START_ROOT_JOB, &job_root()->obj, RIGHT_ALL };
    h[n++] = (struct first_handle){ START_LOG, system_log(), RIGHT_ALL };
    h[n++] = (struct first_handle){ START_MACHINE, system_machine(), RIGHT_ALL };
    h[n++] = (struct first_handle){ START_INITRD, &initrd->obj,
                                    RIGHT_READ | RIGHT_DUP | RIGHT_TRANSFER };
    h[n++] = (struct first_handle){ START_SERIAL, serial_device(), RIGHT_ALL };
    struct blk *b;
    for (unsigned i = 0; n < ARRAY_SIZE(h) && (b = blk_device(i)); i++)
        h[n++] = (struct first_handle){ START_BLK, &b->obj, RIGHT_ALL };
    process_start_first("bin/svcman", phys_to_virt(boot.initrd_phys), boot.initrd_size, h, n);
    object_put(&initrd->obj);
}

static void start_other_cpus(void)
{
    char text[16];
    uint32_t limit = MAX_CPUS;
    if (cmdline_get(boot.cmdline, "cpus", text, sizeof text) && text[0] >= '1' && text[0] <= '8' &&
        !text[1])
        limit = (uint32_t)(text[0] - '0');
    if (acpi.cpu_count < 2 || limit < 2)
        return;
    paddr_t low = low_memory(&boot, SMP_LOW_PAGES);
    if (!low) {
        kprintf_at(LOG_WARNING, "CPU: no memory below 64 KiB to start other processors\n");
        return;
    }
    if (acpi.cpu_count > MAX_CPUS)
        kprintf_at(LOG_WARNING, "CPU: %u processors, of which %u are used\n", acpi.cpu_count,
                   MAX_CPUS);
    sched_start_cpus(acpi.apic_ids, (uint32_t)min_u64(acpi.cpu_count, MAX_CPUS), limit, low,
                     syscall_init);
}

/* The second half of starting, as a thread that may sleep. */
static void start(void *arg)
{
    char test[64] = "", nonce[80] = "";
    (void)arg;
    bool testing = cmdline_get(boot.cmdline, "test", test, sizeof test);
    if (cmdline_get(boot.cmdline, "nonce", nonce + strlen(" nonce="),
                    sizeof nonce - strlen(" nonce=")))
        memcpy(nonce, " nonce=", strlen(" nonce="));
    dev_init(&acpi);
    start_other_cpus();
    kernel_reclaim_loader(&boot);
    system_init(boot.cmdline, testing, frames_of((uintptr_t)(kernel_end - kernel_start)),
                frames_of(boot.initrd_size));
    if (!strcmp(test, "blk"))
        blk_announce(nonce);
    else
        blk_announce("");
    kprintf("RUGO: boot ok%s\n", nonce);
    if (testing && selftest_run(test, nonce, &boot))
        return;
    start_first_process();
}

/* From `seed=` on the command line, or what can't be foreseen. */
static void random_start(void)
{
    char seed[64];
    random_init(cmdline_get(boot.cmdline, "seed", seed, sizeof seed) ? seed : NULL);
    random_add(&boot, offsetof(struct boot_info,
                               memmap_count)); /* where the loader put things, and when */
}

void kmain(void)
{
    wrmsr(MSR_GS_BASE, (uintptr_t)&cpus[0]); /* locks and panics look at it */
    cpus[0].self = &cpus[0];
    serial_init();
    limine_collect(&boot);
    cpu_features_init();
    random_start();
    stack_guard_init(random_u64());
    gdt_init(&cpus[0], NULL);
    if (!cpu_features.nx)
        panic(PANIC_BOOT, "this CPU has no NX bit");
    cpu_control_init();
    kernel_paging_init(&boot);
    interrupts_init();
    clock_init(boot.boot_time);
    sched_init();
    syscall_init();
    process_init();
    ipc_init();
    if (cmdline_has(boot.cmdline, "tsc=distrust"))
        clock_distrust_tsc();
    if (cmdline_has(boot.cmdline, "panic=reboot"))
        panic_set_reboot(machine_reset);
    struct thread *t = thread_create_kernel("start", start, NULL);
    if (!t)
        panic(PANIC_MEMORY, "no memory for the first thread");
    thread_start(t);
    object_put(&t->obj);
    thread_exit();
}
