/*
 * The first serial port as a kernel object: received bytes wait in a ring, writers sleep while the
 * transmitter is busy. The system log goes on printing to the same port by polling (x86/serial.h).
 */
#ifndef DEV_SERIAL_DEVICE_H
#define DEV_SERIAL_DEVICE_H

#include "object/object.h"
#include "x86/acpi.h"

/* Make the object and take the port's interrupt, at boot; panics when there is none for it. */
void serial_device_init(const struct acpi_info *acpi);
/* The object (OBJ_SERIAL); it stays for ever. */
struct object *serial_device(void);

/* Take up to n received bytes; the number, 0 when there are none. Does not wait. */
size_t serial_device_read(char *buf, size_t n);
/* Put bytes just read back in front: their reader can't take them. */
void serial_device_unread(const char *buf, size_t n);
/* Send n bytes, sleeping while the line is busy. The number sent, less than n only on a kill. */
size_t serial_device_write(const char *buf, size_t n);

#endif
