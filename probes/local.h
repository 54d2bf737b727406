/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* session.local_connect: local sockets that are connected to. */
#ifndef LOCAL_H
#define LOCAL_H

#include "attempt.h"
#include "hold.h"
#include "path.h"
#include "session.h"

/*
 * Appends a name without a path: in the abstract namespace all of its bytes, of which the first is
 * zero.
 */
#define append_local(slot, name, bytes, read)                                                      \
	({                                                                                         \
		__u64 at_ = (slot)->length, length_ = (bytes);                                     \
		/* Else the compiler leaves out what the verifier wants to see. */                 \
		barrier_var(length_);                                                              \
		if (length_ > UNIX_PATH_MAX)                                                       \
			length_ = UNIX_PATH_MAX;                                                   \
		if (at_ <= RECORD_MAX - UNIX_PATH_MAX &&                                           \
		    !read(&(slot)->record[at_], length_, (name)))                                  \
			(slot)->length = at_ + length_;                                            \
	})

/* The name that was connected to, from the other end, or from the caller where there is none. */
static __noinline int local_send(struct attempt *attempt)
{
	struct sock *sk = attempt->sk;
	struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	const char *requested = (void *)(attempt->address + 2 /* behind sun_family */);
	struct unix_address *address;
	struct local_connect *local;
	struct slot *slot;
	char first = 0;

	slot = record_begin(attempt->session, FAMILY_NETWORK, KIND_LOCAL_CONNECT, sizeof(*local));
	if (!slot)
		return 0;
	local = (struct local_connect *)slot->record;
	local->record.via |= attempt->via;
	local->return_code = attempt->result;
	local->is_abstract = 0;
	local->path_notes = 0;
	address = attempt->result || !peer ? NULL : BPF_CORE_READ(peer, addr);
	if (!attempt->result && peer && BPF_CORE_READ(peer, path.dentry)) {
		/* Services have trees of mounts of their own, and their sockets are in these. */
		walk_trusting(slot->index, (__u64)&peer->path, TRUST_ANY);
		local->path_notes = slot->walk.notes;
		append_walked(slot);
	} else if (address) {
		local->is_abstract = 1;
		append_local(slot,
			     (void *)&address->name +
				 bpf_core_field_offset(struct sockaddr_un, sun_path),
			     BPF_CORE_READ(address, len) - 2, bpf_probe_read_kernel);
	} else {
		bpf_probe_read_user(&first, sizeof(first), requested);
		local->is_abstract = !first;
		address_note(slot, attempt);
		if (first)
			append_string(slot, UNIX_PATH_MAX, requested, bpf_probe_read_user_str);
		else
			append_local(slot, requested, attempt->length - 2, bpf_probe_read_user);
	}
	local->path_length = slot->length - sizeof(*local);
	act_send(slot, &network_ring, FAMILY_NETWORK, 0);
	return 0;
}

#endif
