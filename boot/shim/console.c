/* The serial line and the way out of QEMU. */
#include "cpu.h"
#include "shim.h"

#include <stdarg.h>

enum { COM1 = 0x3f8, COM1_LINE_STATUS = COM1 + 5, LSR_THR_EMPTY = 0x20, TRIES = 100000 };
enum { DEBUG_EXIT = 0xf4, DEBUG_EXIT_FAILURE = 0x11 };

static void put_char(char c)
{
    for (int i = 0; i < TRIES && (inb(COM1_LINE_STATUS) & LSR_THR_EMPTY) == 0; i++)
        ;
    outb(COM1, (uint8_t)c);
}

static void put_number(uint64_t value, uint64_t base)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n > 0)
        put_char(digits[--n]);
}

static void say_args(const char *format, va_list args)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            if (*format == '\n')
                put_char('\r');
            put_char(*format);
            continue;
        }
        format++;
        if (*format == 's') {
            for (const char *text = va_arg(args, const char *); *text != '\0'; text++)
                put_char(*text);
        } else {
            put_number(va_arg(args, uint64_t), *format == 'x' ? 16 : 10);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_args(format, args);
    va_end(args);
}

_Noreturn void fail(const char *format, ...)
{
    va_list args;
    say("SHIM: error: ");
    va_start(args, format);
    say_args(format, args);
    va_end(args);
    say("\n");
    outb(DEBUG_EXIT, DEBUG_EXIT_FAILURE);
    for (;;)
        __asm__ volatile("cli; hlt");
}
