/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What a session does through io_uring, with no system call of that name. Its record is made when
 * the request is submitted, from what the kernel has copied of it, and is kept until the request
 * is complete.
 */
#include "disk.h"
#include "share.h"
#include "syscall.h"
#include "uring_socket.h"

#define IORING_OP_OPENAT 18
#define IORING_OP_OPENAT2 28
#define IORING_OP_RENAMEAT 35
#define IORING_OP_UNLINKAT 36
#define IORING_OP_MKDIRAT 37
#define IORING_OP_SYMLINKAT 38
#define IORING_OP_LINKAT 39
#define IORING_OP_FSETXATTR 41
#define IORING_OP_SETXATTR 42
#define IORING_OP_FTRUNCATE 55

/* A completion that is not the last one of its request. */
#define IORING_CQE_F_MORE (1 << 1)

/* The request tells of its end only if it fails (IOSQE_CQE_SKIP_SUCCESS). */
#define REQUEST_SILENT (1 << 6)

/* The file of the request is one of the ring's table (IOSQE_FIXED_FILE). */
#define REQUEST_FIXED_FILE (1 << 0)

#define REQUESTS_SIZE 1024
#define TICKETS_SIZE 16384

/* Requests under way, by address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS_SIZE);
	__type(key, __u64);
	__type(value, struct request);
} requests SEC(".maps");

struct holder {
	__u64 request; /* 0 if several have the ticket, or if nothing is kept of it */
	__u64
	    address; /* of a request of sockets; the kernel writes over it before the end is told */
	__u64 count;
	__u64 session; /* whose share it is of, and the account */
	__u64 uid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TICKETS_SIZE);
	__type(key, struct ticket);
	__type(value, struct holder);
} tickets SEC(".maps");

/* The file of an open that has succeeded, if it is still where the open has put it. */
static __noinline struct file *opened_file(struct io_kiocb *request, int result)
{
	return installed_file(BPF_CORE_READ(request, ctx),
			      BPF_CORE_READ((struct io_open *)request, file_slot), result);
}

static __always_inline int is_open(struct io_kiocb *request)
{
	__u8 opcode = BPF_CORE_READ(request, opcode);

	return opcode == IORING_OP_OPENAT || opcode == IORING_OP_OPENAT2;
}

/* The file that the request was about, which is known only at its end. */
static __always_inline struct file *request_file(struct io_kiocb *request, int result)
{
	__u8 opcode = BPF_CORE_READ(request, opcode);

	if (is_open(request))
		return result < 0 ? NULL : opened_file(request, result);
	if (opcode == IORING_OP_FSETXATTR || opcode == IORING_OP_FTRUNCATE)
		return BPF_CORE_READ(request, file);
	return NULL;
}

/* Puts the file into the record, in the place of the path that was asked for. `end` is where the
 * strings end that were kept. */
static __always_inline void file_put(struct slot *slot, struct io_kiocb *request, struct file *file,
				     __u64 end)
{
	struct disk *disk = (struct disk *)slot->record;
	__u64 requested = disk->lengths[DISK_PATH_REQUESTED];
	__u64 name = disk->lengths[DISK_NAME];

	slot->length = sizeof(*disk);
	slot->names = NAMES_OF_KERNEL;
	disk->path_notes = 0;
	disk->lengths[DISK_PATH_REQUESTED] = 0;
	if (is_open(request) &&
	    (BPF_CORE_READ(file, f_mode) & FMODE_CREATED || disk->flags & O_TMPFILE_BIT)) {
		disk->operation = DISK_CREATE;
		disk->mode = BPF_CORE_READ((struct io_open *)request, how.mode);
	}
	disk_walked(slot->index, DISK_PATH, (__u64)&file->f_path);
	if (requested)
		disk_requested(slot->index, DISK_PATH, end - requested);
	else if (name)
		disk_string(slot->index, DISK_NAME, end - name);
}

/*
 * Sends the record that was kept, with the result and what is known only now; or as it is, where
 * that can't be known any more.
 */
static __noinline int request_end(struct io_kiocb *request, int result, int confirmed)
{
	__u64 key = (__u64)request, length, time, owner, uid;
	struct file *file = NULL;
	struct session *session;
	struct request *kept;
	struct record *record;
	struct slot *slot;
	struct disk *disk;

	kept = bpf_map_lookup_elem(&requests, &key);
	if (!kept)
		return 0;
	record = (struct record *)kept->record;
	owner = record->session;
	uid = kept->uid;
	session = bpf_map_lookup_elem(&sessions, &record->session);
	slot = NULL;
	/* Of a session that is over, the daemon has told already. */
	if (session && !session->ended)
		slot = record_claim(record->session, FAMILY_DISK, KIND_DISK, sizeof(*disk));
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
		if (confirmed && disk->record.pid == bpf_get_current_pid_tgid() >> 32)
			file = request_file(request, result);
		/* Of the strings, the one that is needed is the last, and a zero byte is behind it.
		 */
		if (file)
			file_put(slot, request, file, address_of(kept) + length);
		else if (!confirmed || (result >= 0 && is_open(request)))
			disk->record.via |= VIA_OUTCOME_UNKNOWN;
		disk_send(slot);
	}
	if (!(int)bpf_map_delete_elem(&requests, &key))
		share_give(owner, uid, TABLE_REQUESTS);
	return 0;
}

/* What is over is told; of files, if it was kept. */
static __always_inline int request_over(struct io_kiocb *request, int result, __u64 address)
{
	if (is_of_socket(BPF_CORE_READ(request, opcode)))
		return socket_end(request, result, address);
	return request_end(request, result, 1);
}

/* Whether this request alone has its ticket; else the one that had it can't be told any more. */
static __noinline int ticket_take(struct io_kiocb *request, int keep)
{
	struct holder holder = {.request = keep ? (__u64)request : 0, .count = 1};
	struct process *process = known_process();
	struct ticket ticket = {};
	struct holder *other;
	__u64 before;

	if (!process)
		return 0;
	holder.session = process->session;
	holder.uid = account_of(holder.session);
	ticket.ring = (__u64)BPF_CORE_READ(request, ctx);
	ticket.number = BPF_CORE_READ(request, user_data);
	holder.address = address_asked(request);
	if (share_take(holder.session, holder.uid, TABLE_TICKETS, TICKETS_SIZE)) {
		if (!(int)bpf_map_update_elem(&tickets, &ticket, &holder, BPF_NOEXIST))
			return 1;
		share_give(holder.session, holder.uid, TABLE_TICKETS);
	}
	other = bpf_map_lookup_elem(&tickets, &ticket);
	if (!other) {
		/* Of what is done with sockets, nothing is told then. */
		if (is_of_socket(BPF_CORE_READ(request, opcode)))
			lose(holder.session, FAMILY_NETWORK, LOSS_SHARE_FULL);
		return 0;
	}
	__sync_fetch_and_add(&other->count, 1);
	before = other->request;
	other->request = 0;
	if (before)
		request_end((void *)before, 0, 0);
	return 0;
}

/* The request whose end this is, as a number; 0 if it can't be told, or if it goes on. */
static __noinline __u64 ticket_return(__u64 ring, __u64 number, int more, __u64 *address)
{
	struct ticket ticket = {.ring = ring, .number = number};
	struct holder *holder = bpf_map_lookup_elem(&tickets, &ticket);
	__u64 request, session, uid;

	if (!holder || more)
		return 0;
	request = holder->request;
	session = holder->session;
	uid = holder->uid;
	*address = holder->address;
	holder->request = 0;
	__sync_fetch_and_add(&holder->count, -1);
	if (!*(volatile __u64 *)&holder->count && !(int)bpf_map_delete_elem(&tickets, &ticket))
		share_give(session, uid, TABLE_TICKETS);
	return request;
}

/* Keeps the record until the request is complete, or sends it where that will not be seen. */
static __always_inline void request_keep(struct slot *slot, struct io_kiocb *request)
{
	struct record *record = (struct record *)slot->record;
	__u32 uid = account_of(record->session);
	__u64 key = (__u64)request;

	record->via = VIA_IO_URING;
	record->length = slot->length;
	/* The end of the one that was here before has not been seen: the ring was full. */
	request_end(request, 0, 0);
	if (!(BPF_CORE_READ(request, flags) & REQUEST_SILENT) && slot->length < REQUEST_LENGTH &&
	    (ends_are_named() || ticket_take(request, 1)) &&
	    share_take(record->session, uid, TABLE_REQUESTS, REQUESTS_SIZE)) {
		((struct request *)slot->record)->uid = uid;
		if (!(int)bpf_map_update_elem(&requests, &key, slot->record, BPF_NOEXIST)) {
			slot_release(slot);
			return;
		}
		share_give(record->session, uid, TABLE_REQUESTS);
	}
	record->via |= VIA_OUTCOME_UNKNOWN;
	disk_send(slot);
}

/* The kernel's copy of a name, in both of its forms. */
#define request_name(type, request, field)                                                         \
	({                                                                                         \
		struct type##___delayed *delayed_ = (void *)(request);                             \
		struct type *direct_ = (void *)(request);                                          \
		__u64 name_;                                                                       \
		if (bpf_core_type_exists(struct delayed_filename))                                 \
			name_ = (__u64)BPF_CORE_READ(delayed_, field.__incomplete_filename, name); \
		else                                                                               \
			name_ = (__u64)BPF_CORE_READ(direct_, field, name);                        \
		name_;                                                                             \
	})

/* The kernel adds O_LARGEFILE itself. */
static __always_inline __u32 open_flags(struct io_open *open)
{
	return BPF_CORE_READ(open, how.flags) & ~large_file();
}

/* The record of an open, as if it had failed. */
static __noinline struct slot *open_begin(__u64 session, struct io_kiocb *request)
{
	struct io_open *open = (void *)request;
	struct slot *slot;

	/* Whether it makes the file is known only at its end. */
	if (family_excluded(session, FAMILY_DISK))
		return NULL;
	slot = disk_claim(session, DISK_OPEN, 0, open_flags(open));
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	disk_asked(slot->index, DISK_PATH, BPF_CORE_READ(open, dfd),
		   request_name(io_open, request, filename), PATH_FOLLOWED);
	return slot;
}

static __noinline struct slot *rename_begin(__u64 session, struct io_kiocb *request)
{
	struct io_rename *rename = (void *)request;
	struct slot *slot;

	slot = disk_begin(session, DISK_RENAME, 0, BPF_CORE_READ(rename, flags));
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	disk_asked(slot->index, DISK_PATH, BPF_CORE_READ(rename, old_dfd),
		   request_name(io_rename, request, oldpath), 0);
	disk_asked(slot->index, DISK_TARGET, BPF_CORE_READ(rename, new_dfd),
		   request_name(io_rename, request, newpath), 0);
	return slot;
}

static __noinline struct slot *link_begin(__u64 session, struct io_kiocb *request)
{
	struct io_hardlink *before_6_0 = (void *)request;
	struct io_link *link = (void *)request;
	__u64 old_name, new_name;
	int old_dfd, new_dfd;
	struct slot *slot;
	char first = 0;
	__u32 flags;

	if (bpf_core_type_exists(struct io_hardlink)) {
		old_dfd = BPF_CORE_READ(before_6_0, old_dfd);
		new_dfd = BPF_CORE_READ(before_6_0, new_dfd);
		old_name = (__u64)BPF_CORE_READ(before_6_0, oldpath, name);
		new_name = (__u64)BPF_CORE_READ(before_6_0, newpath, name);
		flags = BPF_CORE_READ(before_6_0, flags);
	} else {
		old_dfd = BPF_CORE_READ(link, old_dfd);
		new_dfd = BPF_CORE_READ(link, new_dfd);
		old_name = request_name(io_link, request, oldpath);
		new_name = request_name(io_link, request, newpath);
		flags = BPF_CORE_READ(link, flags);
	}
	slot = disk_begin(session, DISK_LINK, 0, flags);
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	bpf_probe_read_kernel(&first, sizeof(first), (void *)old_name);
	if (!first && flags & AT_EMPTY_PATH)
		disk_descriptor(slot->index, DISK_PATH, old_dfd);
	else
		disk_asked(slot->index, DISK_PATH, old_dfd, old_name,
			   flags & AT_SYMLINK_FOLLOW ? PATH_FOLLOWED : 0);
	disk_asked(slot->index, DISK_TARGET, new_dfd, new_name, 0);
	return slot;
}

static __noinline struct slot *symlink_begin(__u64 session, struct io_kiocb *request)
{
	struct io_symlink *before_6_0 = (void *)request;
	struct io_link *link = (void *)request;
	__u64 content, name;
	struct slot *slot;
	int dfd;

	if (bpf_core_type_exists(struct io_symlink)) {
		dfd = BPF_CORE_READ(before_6_0, new_dfd);
		content = (__u64)BPF_CORE_READ(before_6_0, oldpath, name);
		name = (__u64)BPF_CORE_READ(before_6_0, newpath, name);
	} else {
		dfd = BPF_CORE_READ(link, new_dfd);
		content = request_name(io_link, request, oldpath);
		name = request_name(io_link, request, newpath);
	}
	slot = disk_begin(session, DISK_SYMLINK, 0, 0);
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	disk_asked(slot->index, DISK_PATH, dfd, name, 0);
	disk_string(slot->index, DISK_TARGET, content);
	return slot;
}

static __noinline struct slot *unlink_begin(__u64 session, struct io_kiocb *request)
{
	struct io_unlink *unlink = (void *)request;
	__u32 flags = BPF_CORE_READ(unlink, flags);
	struct slot *slot;

	slot = disk_begin(session, flags & AT_REMOVEDIR ? DISK_RMDIR : DISK_UNLINK, 0, flags);
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	disk_asked(slot->index, DISK_PATH, BPF_CORE_READ(unlink, dfd),
		   request_name(io_unlink, request, filename), 0);
	return slot;
}

static __noinline struct slot *mkdir_begin(__u64 session, struct io_kiocb *request)
{
	struct io_mkdir *mkdir = (void *)request;
	struct slot *slot;

	slot = disk_begin(session, DISK_MKDIR, 0, 0);
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	((struct disk *)slot->record)->mode = BPF_CORE_READ(mkdir, mode);
	disk_asked(slot->index, DISK_PATH, BPF_CORE_READ(mkdir, dfd),
		   request_name(io_mkdir, request, filename), 0);
	return slot;
}

/* What is done to a file that the request has not looked up yet. */
static __always_inline void descriptor_put(struct slot *slot, struct io_kiocb *request)
{
	if (BPF_CORE_READ(request, flags) & REQUEST_FIXED_FILE)
		((struct disk *)slot->record)->path_notes |= PATH_RELATIVE;
	else
		disk_descriptor(slot->index, DISK_PATH, BPF_CORE_READ(request, cqe.fd));
}

static __noinline struct slot *xattr_begin(__u64 session, struct io_kiocb *request, int by_path)
{
	struct io_xattr___before_6_13 *before_6_13 = (void *)request;
	struct io_xattr *xattr = (void *)request;
	struct slot *slot;
	__u32 flags;
	__u64 name;

	if (bpf_core_type_exists(struct xattr_ctx)) {
		name = (__u64)BPF_CORE_READ(before_6_13, ctx.kname);
		flags = BPF_CORE_READ(before_6_13, ctx.flags);
	} else {
		name = (__u64)BPF_CORE_READ(xattr, ctx.kname);
		flags = BPF_CORE_READ(xattr, ctx.flags);
	}
	slot = disk_begin(session, DISK_SETXATTR, 0, flags);
	if (!slot)
		return NULL;
	slot->names = NAMES_OF_KERNEL;
	if (by_path)
		disk_asked(slot->index, DISK_PATH, AT_FDCWD,
			   request_name(io_xattr, request, filename), PATH_FOLLOWED);
	else
		descriptor_put(slot, request);
	disk_string(slot->index, DISK_NAME, name);
	return slot;
}

static __noinline struct slot *truncate_begin(__u64 session, struct io_kiocb *request)
{
	struct slot *slot = disk_begin(session, DISK_TRUNCATE, 0, 0);

	if (!slot)
		return NULL;
	((struct disk *)slot->record)->value = BPF_CORE_READ((struct io_ftrunc *)request, len);
	descriptor_put(slot, request);
	return slot;
}

/* Of what this kernel does not know, the code may not even be looked at. */
#define if_known(type, record) (bpf_core_type_exists(struct type) ? record : NULL)

/* The record of what is asked for, if that is recorded. */
static __always_inline struct slot *request_begin(__u64 session, struct io_kiocb *request)
{
	switch (BPF_CORE_READ(request, opcode)) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		return open_begin(session, request);
	case IORING_OP_RENAMEAT:
		return if_known(io_rename, rename_begin(session, request));
	case IORING_OP_UNLINKAT:
		return if_known(io_unlink, unlink_begin(session, request));
	case IORING_OP_MKDIRAT:
		return if_known(io_mkdir, mkdir_begin(session, request));
	case IORING_OP_SYMLINKAT:
		return if_known(io_mkdir, symlink_begin(session, request));
	case IORING_OP_LINKAT:
		return if_known(io_mkdir, link_begin(session, request));
	case IORING_OP_FSETXATTR:
		return if_known(io_xattr, xattr_begin(session, request, 0));
	case IORING_OP_SETXATTR:
		return if_known(io_xattr, xattr_begin(session, request, 1));
	case IORING_OP_FTRUNCATE:
		return if_known(io_ftrunc, truncate_begin(session, request));
	default:
		return NULL;
	}
}

static __always_inline int request_submit(struct io_kiocb *request)
{
	struct process *process = recorded_user(known_process());
	struct slot *slot;
	__u8 opcode;

	if (!process)
		return 0;
	opcode = BPF_CORE_READ(request, opcode);
	slot = request_begin(process->session, request);
	if (slot)
		request_keep(slot, request);
	else if (!ends_are_named())
		ticket_take(request, is_of_socket(opcode));
	else if (opcode == IORING_OP_ACCEPT)
		acceptor_add(process->session, request);
	return 0;
}

TRACEPOINT("io_uring_submit_req", uring_submit, PROBE_URING_SUBMIT)
{
	/* Volatile, for the offset to be in the load: older verifiers take no other. */
	volatile __u64 *arguments = context;
	__u64 request = arguments[0];

	if (bpf_core_type_exists(btf_trace_io_uring_submit_sqe___ring))
		request = arguments[1];
	return request_submit((void *)request);
}

TRACEPOINT("io_uring_complete", uring_complete, PROBE_URING_COMPLETE)
{
	/* Volatile, for the offset to be in the load: older verifiers take no other. */
	volatile __u64 *arguments = context;
	struct io_kiocb *request = (void *)arguments[1];
	struct io_uring_cqe *end;
	__u64 address = 0;
	int result = 0;

	if (!ends_are_named()) {
		request = (void *)ticket_return(arguments[0], arguments[1],
						arguments[3] & IORING_CQE_F_MORE, &address);
		result = arguments[2];
	} else if (request) {
		result = BPF_CORE_READ(request, cqe.res);
		address = address_asked(request);
	}
	if (request)
		return request_over(request, result, address);
	if (!ends_are_named())
		return 0;
	if (!bpf_core_type_exists(btf_trace_io_uring_complete___whole))
		return acceptor_end(arguments[0], arguments[2], (int)arguments[3]);
	end = (void *)arguments[2];
	return acceptor_end(arguments[0], BPF_CORE_READ(end, user_data), BPF_CORE_READ(end, res));
}
