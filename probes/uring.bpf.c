/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What a session does through io_uring, with no system call of that name. Its record is made when
 * the request is submitted, from what the kernel has copied of it, and is kept until the request
 * is complete.
 */
#include "disk.h"
#include "syscall.h"

#define IORING_OP_OPENAT 18
#define IORING_OP_OPENAT2 28

/* A completion that is not the last one of its request. */
#define IORING_CQE_F_MORE (1 << 1)

/* The request tells of its end only if it fails (IOSQE_CQE_SKIP_SUCCESS). */
#define REQUEST_SILENT (1 << 6)

#define X86_O_LARGEFILE 0100000
#define ARM64_O_LARGEFILE 0400000

/* io_open.file_slot counts from 1; the largest number lets the kernel choose. */
#define FILE_SLOT_ANY 0xffffffffU
/* The bits of a fixed file's address that are not address. */
#define FIXED_FILE_FLAGS 7UL

/* The longest record that is kept; what is longer is sent at once, its end unconfirmed. */
#define REQUEST_LENGTH 4096

struct request {
	char record[REQUEST_LENGTH];
};

/* Requests under way, by address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct request);
} requests SEC(".maps");

/*
 * Before 5.18 the end of a request tells its ring and the number that the program gave it, but not
 * the request. Programs may give several the same number: which one ends can't be told then.
 */
struct ticket {
	__u64 ring;
	__u64 number;
};

struct holder {
	__u64 request; /* 0 if several have the ticket, or if nothing is kept of it */
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct ticket);
	__type(value, struct holder);
} tickets SEC(".maps");

/* Whether the end of a request names it. */
static __always_inline int ends_are_named(void)
{
	return !bpf_core_type_exists(btf_trace_io_uring_complete___nameless);
}

/* The file of an open that has succeeded, if it is still where the open has put it. */
static __noinline struct file *opened_file(struct io_kiocb *request, int result)
{
	__u32 index = BPF_CORE_READ((struct io_open *)request, file_slot);
	struct io_ring_ctx *ring = BPF_CORE_READ(request, ctx);
	struct io_file_table___nodes *nodes = (void *)&ring->file_table;
	struct io_rsrc_node *node = NULL;
	struct io_fixed_file *file;
	unsigned long address = 0;

	if (!index)
		return file_of(result);
	index = index == FILE_SLOT_ANY ? (__u32)result : index - 1;
	if (bpf_core_field_exists(nodes->data)) {
		bpf_probe_read_kernel(&node, sizeof(node),
				      BPF_CORE_READ(nodes, data.nodes) + index);
		address = BPF_CORE_READ(node, file_ptr);
	} else {
		file = BPF_CORE_READ(ring, file_table.files);
		file += index;
		address = BPF_CORE_READ(file, file_ptr);
	}
	return (struct file *)(address & ~FIXED_FILE_FLAGS);
}

/* A pointer as the number that global functions take. */
static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

/* Puts the file that was opened into the record, in the place of the path that was asked for. */
static __always_inline void open_end(struct slot *slot, struct io_kiocb *request, struct file *file,
				     __u64 typed)
{
	struct disk *disk = (struct disk *)slot->record;

	slot->length = sizeof(*disk);
	slot->names = NAMES_OF_KERNEL;
	disk->path_notes = 0;
	disk->lengths[DISK_PATH] = 0;
	disk->lengths[DISK_PATH_TYPED] = 0;
	if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED || disk->flags & O_TMPFILE_BIT) {
		disk->operation = DISK_CREATE;
		disk->mode = BPF_CORE_READ((struct io_open *)request, how.mode);
	}
	disk_walked(slot->index, DISK_PATH, (__u64)&file->f_path);
	disk_typed(slot->index, DISK_PATH, typed);
}

/*
 * Sends the record that was kept, with the result and what is known only now; or as it is, where
 * that can't be known any more.
 */
static __noinline int request_end(struct io_kiocb *request, int result, int confirmed)
{
	__u64 key = (__u64)request, length, time, typed;
	struct file *file = NULL;
	struct request *kept;
	struct record *record;
	struct slot *slot;
	struct disk *disk;

	kept = bpf_map_lookup_elem(&requests, &key);
	if (!kept)
		return 0;
	record = (struct record *)kept->record;
	slot = record_begin(record->session, FAMILY_DISK, KIND_DISK, sizeof(*disk));
	if (slot) {
		disk = (struct disk *)slot->record;
		time = disk->record.time;
		length = record->length;
		if (length > REQUEST_LENGTH)
			length = REQUEST_LENGTH;
		bpf_probe_read_kernel(slot->record, length, kept->record);
		slot->length = length;
		disk->record.time = time;
		disk->return_code = result < 0 ? result : 0;
		if (confirmed && result >= 0 &&
		    disk->record.pid == bpf_get_current_pid_tgid() >> 32)
			file = opened_file(request, result);
		if (file) {
			/* It is the end of the record, and a zero byte is behind it. */
			typed = address_of(kept) + length - disk->lengths[DISK_PATH_TYPED];
			open_end(slot, request, file, typed);
		} else if (result >= 0) {
			disk->record.via |= VIA_UNCONFIRMED;
		}
		disk_send(slot, 0);
	}
	bpf_map_delete_elem(&requests, &key);
	return 0;
}

/* Whether this request alone has its ticket; else the one that had it can't be told any more. */
static __noinline int ticket_take(struct io_kiocb *request, int keep)
{
	struct holder holder = {.request = keep ? (__u64)request : 0, .count = 1};
	struct ticket ticket = {};
	struct holder *other;
	__u64 before;

	ticket.ring = (__u64)BPF_CORE_READ(request, ctx);
	ticket.number = BPF_CORE_READ(request, user_data);
	if (!bpf_map_update_elem(&tickets, &ticket, &holder, BPF_NOEXIST))
		return 1;
	other = bpf_map_lookup_elem(&tickets, &ticket);
	if (!other)
		return 0;
	__sync_fetch_and_add(&other->count, 1);
	before = other->request;
	other->request = 0;
	if (before)
		request_end((void *)before, 0, 0);
	return 0;
}

static __noinline int ticket_return(__u64 ring, __u64 number, int result, int more)
{
	struct ticket ticket = {.ring = ring, .number = number};
	struct holder *holder = bpf_map_lookup_elem(&tickets, &ticket);
	__u64 request;

	if (!holder || more)
		return 0;
	request = holder->request;
	holder->request = 0;
	__sync_fetch_and_add(&holder->count, -1);
	if (!*(volatile __u64 *)&holder->count)
		bpf_map_delete_elem(&tickets, &ticket);
	return request ? request_end((void *)request, result, 1) : 0;
}

/* Keeps the record until the request is complete, or sends it where that will not be seen. */
static __always_inline void request_keep(struct slot *slot, struct io_kiocb *request)
{
	struct record *record = (struct record *)slot->record;
	__u64 key = (__u64)request;

	record->via = VIA_IO_URING;
	record->length = slot->length;
	/* The end of the one that was here before has not been seen: the ring was full. */
	request_end(request, 0, 0);
	if (!(BPF_CORE_READ(request, flags) & REQUEST_SILENT) && slot->length < REQUEST_LENGTH &&
	    (ends_are_named() || ticket_take(request, 1)) &&
	    !bpf_map_update_elem(&requests, &key, slot->record, BPF_ANY)) {
		slot_release(slot);
		return;
	}
	record->via |= VIA_UNCONFIRMED;
	disk_send(slot, 0);
}

static __always_inline const char *open_name(struct io_open *open)
{
	struct io_open___delayed *delayed = (void *)open;

	if (bpf_core_type_exists(struct delayed_filename))
		return BPF_CORE_READ(delayed, filename.__incomplete_filename, name);
	return BPF_CORE_READ(open, filename, name);
}

/* The kernel adds O_LARGEFILE itself. */
static __always_inline __u32 open_flags(struct io_open *open)
{
	struct pt_regs___arm64 *arm64 = NULL;
	__u32 added = bpf_core_field_exists(arm64->orig_x0) ? ARM64_O_LARGEFILE : X86_O_LARGEFILE;

	return BPF_CORE_READ(open, how.flags) & ~added;
}

/* The record of an open, as if it had failed. */
static __noinline struct slot *open_begin(__u64 session, struct io_kiocb *request)
{
	struct io_open *open = (void *)request;
	struct slot *slot;

	/* Whether it makes the file is known only at its end. */
	if (family_left_out(session, FAMILY_DISK))
		return NULL;
	slot = disk_claim(session, DISK_OPEN, 0, open_flags(open));
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	disk_asked(slot->index, DISK_PATH, BPF_CORE_READ(open, dfd), (__u64)open_name(open),
		   PATH_FOLLOWED);
	return slot;
}

static __always_inline int request_submit(struct io_kiocb *request)
{
	struct process *process = recorded_user();
	struct slot *slot = NULL;

	if (!process)
		return 0;
	switch (BPF_CORE_READ(request, opcode)) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		slot = open_begin(process->session, request);
		break;
	}
	if (slot)
		request_keep(slot, request);
	else if (!ends_are_named())
		ticket_take(request, 0);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int uring_submit(__u64 *context)
{
	/* Volatile, for the offset to be in the load: older verifiers take no other. */
	volatile __u64 *arguments = context;
	__u64 request = arguments[0];

	if (bpf_core_type_exists(btf_trace_io_uring_submit_sqe___ring))
		request = arguments[1];
	return request_submit((void *)request);
}

SEC("tp_btf/io_uring_complete")
int uring_complete(__u64 *context)
{
	struct io_kiocb *request = (void *)context[1];

	if (!ends_are_named())
		return ticket_return(context[0], context[1], (int)context[2],
				     context[3] & IORING_CQE_F_MORE);
	return request ? request_end(request, BPF_CORE_READ(request, cqe.res), 1) : 0;
}
