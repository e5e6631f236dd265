// SPDX-License-Identifier: GPL-2.0
#include "acpi.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devices.h"
#include "memory.h"
#include "serial.h"

#define APIC_BASE 0xfee00000
#define IOAPIC_BASE 0xfec00000

/* Offsets in the FADT, of revision 6, and what stands there. */
#define FADT_LEN 276
#define FADT_BOOT_ARCH 109
#define FADT_FLAGS 112
#define FADT_RESET_REGISTER 116
#define FADT_RESET_VALUE 128
#define FADT_DSDT 140
#define FADT_SLEEP_CONTROL 244
#define FADT_SLEEP_STATUS 256
#define BOOT_NO_VGA BIT(2)
#define BOOT_NO_RTC BIT(5)
#define FLAG_NO_POWER_BUTTON BIT(4)
#define FLAG_NO_SLEEP_BUTTON BIT(5)
#define FLAG_RESET BIT(10)
#define FLAG_REDUCED BIT(20)

#define HEADER_LEN 36
#define RSDP_LEN 36

/* Names of AML. */
#define AML_NAME 0x08
#define AML_BYTE 0x0a
#define AML_STRING 0x0d
#define AML_DWORD 0x0c
#define AML_SCOPE 0x10
#define AML_BUFFER 0x11
#define AML_PACKAGE 0x12
#define AML_EXT 0x5b
#define AML_EXT_DEVICE 0x82

/**
 * struct table - one being written
 * @at: Where it goes.
 * @len: So far.
 */
struct table {
	u8 *at;
	u32 len;
};

static void put(struct table *table, const void *data, u32 len)
{
	memcpy(table->at + table->len, data, len);
	table->len += len;
}

static void put8(struct table *table, u8 value)
{
	put(table, &value, sizeof(value));
}

static void put16(struct table *table, u16 value)
{
	value = htole16(value);
	put(table, &value, sizeof(value));
}

static void put32(struct table *table, u32 value)
{
	value = htole32(value);
	put(table, &value, sizeof(value));
}

static void put64(struct table *table, u64 value)
{
	value = htole64(value);
	put(table, &value, sizeof(value));
}

static u8 sum(const u8 *data, u32 len)
{
	u8 total = 0;

	while (len--)
		total += *data++;
	return -total;
}

static void begin(struct table *table, const char *signature, u8 revision)
{
	put(table, signature, 4);
	put32(table, 0);
	put8(table, revision);
	put8(table, 0);
	put(table, "KVMFT ", 6);
	put(table, "FTVMM   ", 8);
	put32(table, 1);
	put(table, "FTVM", 4);
	put32(table, 1);
}

/* Length and checksum, now that they are known. */
static void end(struct table *table)
{
	u32 len = htole32(table->len);

	memcpy(table->at + 4, &len, sizeof(len));
	table->at[9] = 0;
	table->at[9] = sum(table->at, table->len);
}

/* --- DSDT --- */

/* What is in brackets begins with its length, of two bytes here. */
static u32 open_bracket(struct table *table)
{
	put16(table, 0);
	return table->len;
}

static void close_bracket(struct table *table, u32 from)
{
	u32 len = table->len - from + 2;

	table->at[from - 2] = 0x40 | (len & 0xf);
	table->at[from - 1] = len >> 4;
}

static void put_name(struct table *table, const char *name)
{
	put8(table, AML_NAME);
	put(table, name, 4);
}

static void put_string(struct table *table, const char *string)
{
	put8(table, AML_STRING);
	put(table, string, strlen(string) + 1);
}

static void put_byte(struct table *table, u8 value)
{
	put8(table, AML_BYTE);
	put8(table, value);
}

static u32 open_device(struct table *table, const char *name)
{
	u32 from;

	put8(table, AML_EXT);
	put8(table, AML_EXT_DEVICE);
	from = open_bracket(table);
	put(table, name, 4);
	return from;
}

/* _CRS: resources, in a buffer whose size stands there twice. */
static void put_resources(struct table *table, const struct table *resources)
{
	u32 from;

	put_name(table, "_CRS");
	put8(table, AML_BUFFER);
	from = open_bracket(table);
	put_byte(table, resources->len);
	put(table, resources->at, resources->len);
	close_bracket(table, from);
}

/* Edge-triggered, active high, nobody else's. */
static void put_interrupt(struct table *resources, u32 gsi)
{
	put8(resources, 0x89);
	put16(resources, 6);
	put8(resources, 0x03);
	put8(resources, 1);
	put32(resources, gsi);
}

static void put_resources_end(struct table *resources)
{
	put8(resources, 0x79);
	put8(resources, 0);
}

static void put_serial(struct table *table)
{
	u8 buffer[64];
	struct table resources = { .at = buffer };
	u32 device = open_device(table, "COM1");

	put_name(table, "_HID");
	/* EISA id PNP0501, compressed. */
	put8(table, AML_DWORD);
	put32(table, 0x0105d041);
	put_name(table, "_UID");
	put_byte(table, 1);
	put8(&resources, 0x47);
	put8(&resources, 1);
	put16(&resources, SERIAL_PORTS);
	put16(&resources, SERIAL_PORTS);
	put8(&resources, 1);
	put8(&resources, SERIAL_PORT_COUNT);
	put_interrupt(&resources, SERIAL_GSI);
	put_resources_end(&resources);
	put_resources(table, &resources);
	close_bracket(table, device);
}

static void put_virtio(struct table *table, u32 number)
{
	char name[] = "VR00";
	u8 buffer[64];
	struct table resources = { .at = buffer };
	u32 device;

	name[2] += number / 10;
	name[3] += number % 10;
	device = open_device(table, name);
	put_name(table, "_HID");
	put_string(table, "LNRO0005");
	put_name(table, "_UID");
	put_byte(table, number);
	put_name(table, "_CCA");
	put_byte(table, 1);
	/* Memory32Fixed, writable. */
	put8(&resources, 0x86);
	put16(&resources, 9);
	put8(&resources, 1);
	put32(&resources, DEVICES_BASE + number * DEVICES_STRIDE);
	put32(&resources, DEVICES_STRIDE);
	put_interrupt(&resources, DEVICES_GSI + number);
	put_resources_end(&resources);
	put_resources(table, &resources);
	close_bracket(table, device);
}

/* Name (_S5_, Package { 5, 5 }) */
static void put_off(struct table *table)
{
	u32 from;

	put_name(table, "_S5_");
	put8(table, AML_PACKAGE);
	from = open_bracket(table);
	put8(table, 2);
	put_byte(table, 5);
	put_byte(table, 5);
	close_bracket(table, from);
}

static void make_dsdt(struct table *table)
{
	unsigned int i;
	u32 scope;

	begin(table, "DSDT", 6);
	put_off(table);
	put8(table, AML_SCOPE);
	scope = open_bracket(table);
	put(table, "\\_SB_", 5);
	put_serial(table);
	for (i = 0; i < vmm.device_count; i++)
		put_virtio(table, i);
	close_bracket(table, scope);
	end(table);
}

/* --- The others --- */

static void put_port(struct table *table, u32 offset, u16 port)
{
	u8 buffer[12];
	struct table address = { .at = buffer };

	/* System I/O, of one byte. */
	put8(&address, 1);
	put8(&address, 8);
	put8(&address, 0);
	put8(&address, 1);
	put64(&address, port);
	memcpy(table->at + offset, buffer, sizeof(buffer));
}

static void make_fadt(struct table *table, u64 dsdt)
{
	u32 flags = htole32(FLAG_REDUCED | FLAG_RESET | FLAG_NO_POWER_BUTTON |
			    FLAG_NO_SLEEP_BUTTON);

	begin(table, "FACP", 6);
	memset(table->at + table->len, 0, FADT_LEN - HEADER_LEN);
	table->at[FADT_BOOT_ARCH] = BOOT_NO_VGA | BOOT_NO_RTC;
	memcpy(table->at + FADT_FLAGS, &flags, sizeof(flags));
	put_port(table, FADT_RESET_REGISTER, ACPI_PORTS + ACPI_RESET);
	table->at[FADT_RESET_VALUE] = 1;
	dsdt = htole64(dsdt);
	memcpy(table->at + FADT_DSDT, &dsdt, sizeof(dsdt));
	put_port(table, FADT_SLEEP_CONTROL, ACPI_PORTS + ACPI_SLEEP_CONTROL);
	put_port(table, FADT_SLEEP_STATUS, ACPI_PORTS + ACPI_SLEEP_STATUS);
	table->len = FADT_LEN;
	end(table);
}

static void make_madt(struct table *table)
{
	u32 i;

	begin(table, "APIC", 5);
	put32(table, APIC_BASE);
	put32(table, 0);
	for (i = 0; i < vmm.options.vcpus; i++) {
		/* A processor: its number, its APIC's, enabled. */
		put8(table, 0);
		put8(table, 8);
		put8(table, i);
		put8(table, i);
		put32(table, 1);
	}
	/* The I/O APIC: its number, where it is, its first interrupt. */
	put8(table, 1);
	put8(table, 12);
	put8(table, 0);
	put8(table, 0);
	put32(table, IOAPIC_BASE);
	put32(table, 0);
	end(table);
}

static void make_xsdt(struct table *table, u64 fadt, u64 madt)
{
	begin(table, "XSDT", 1);
	put64(table, fadt);
	put64(table, madt);
	end(table);
}

static void make_rsdp(u8 *rsdp, u64 xsdt)
{
	struct table table = { .at = rsdp };

	put(&table, "RSD PTR ", 8);
	put8(&table, 0);
	put(&table, "KVMFT ", 6);
	put8(&table, 2);
	put32(&table, 0);
	put32(&table, RSDP_LEN);
	put64(&table, xsdt);
	put32(&table, 0);
	rsdp[8] = sum(rsdp, 20);
	rsdp[32] = sum(rsdp, RSDP_LEN);
}

/* The next table behind this one. */
static struct table behind(const struct table *table)
{
	return (struct table){ .at = table->at + ((table->len + 15) & ~15U) };
}

u64 acpi_load(void)
{
	u8 *base = memory_at(ACPI_BASE, ACPI_SIZE);
	struct table rsdp = { .at = base, .len = RSDP_LEN };
	struct table dsdt = behind(&rsdp), fadt, madt, xsdt;

	errno = 0;
	if (!base)
		die("no room for ACPI's tables");
	make_dsdt(&dsdt);
	fadt = behind(&dsdt);
	make_fadt(&fadt, ACPI_BASE + (dsdt.at - base));
	madt = behind(&fadt);
	make_madt(&madt);
	xsdt = behind(&madt);
	make_xsdt(&xsdt, ACPI_BASE + (fadt.at - base), ACPI_BASE + (madt.at - base));
	make_rsdp(base, ACPI_BASE + (xsdt.at - base));
	return ACPI_BASE;
}
