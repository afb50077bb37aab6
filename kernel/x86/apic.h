/* Local APIC and I/O APIC (Intel SDM vol. 3 chapter 11; Intel 82093AA data sheet). The 8259 PICs are masked. */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "klib/types.h"

/* Mask both 8259s; their vectors are moved off the exceptions in case of a spurious interrupt. */
void pic_disable(void);
/* Take over the calling CPU's local APIC, whatever state a loader left it in. regs: its mapped registers. */
void lapic_init(volatile uint32_t *regs);
/* The same on another CPU, whose registers are at the same address, after the boot CPU's timer was measured. */
void lapic_init_secondary(void);
void lapic_eoi(void);
/* Interrupt another CPU at a vector; INIT and start-up (SDM vol. 3, 8.4.4); an NMI to all but the calling CPU. */
void lapic_send(uint32_t apic_id, unsigned vector);
void lapic_send_init(uint32_t apic_id);
void lapic_send_startup(uint32_t apic_id, paddr_t page);
void lapic_send_nmi_others(void);
uint32_t lapic_id(void);
/* Interrupt at VEC_TIMER after about ns (1 … several seconds; longer is cut short). 0 stops the timer. */
void lapic_timer_oneshot(uint64_t ns);
/* Remaining count of the free-running timer, for calibration. */
void lapic_timer_start_raw(void);
uint32_t lapic_timer_elapsed_raw(void);
void lapic_timer_set_frequency(uint64_t hz);

/* regs: mapped registers; first: its first global interrupt number. All inputs are masked. */
void ioapic_init(volatile uint32_t *regs, uint32_t first_gsi);
/* Send a global interrupt to vector of the boot CPU. -EINVAL: no I/O APIC has that input. */
status_t ioapic_route(uint32_t gsi, unsigned vector, bool level, bool active_low) MUST_CHECK;
/* The address and data a PCI device writes for an MSI to vector (SDM vol. 3, 11.11). */
static inline uint64_t msi_address(uint32_t apic_id)
{
    return 0xfee00000u | apic_id << 12;
}

#endif
