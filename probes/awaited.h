/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * TCP connects whose result is awaited, by the address of the socket: when and by whom. The result
 * comes by interrupt: whose it is, only this tells. Each has a seat that follows from the address;
 * who finds it taken goes into a table, in which to look takes ten times as long.
 */
#ifndef AWAITED_H
#define AWAITED_H

#include "share.h"

#define SEAT_BITS 12

struct seat {
	__u64 claims; /* it belongs to who has its only claim, as with a slot */
	__u64 socket;
	struct record connect;
};

#define CROWDED_SIZE 16384

struct crowded {
	struct record connect;
	__u64 uid; /* whose share it is of */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SEAT_BITS);
	__type(key, __u32);
	__type(value, struct seat);
} seats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CROWDED_SIZE);
	__type(key, __u64);
	__type(value, struct crowded);
} crowded SEC(".maps");

/* Sockets of one kind lie in few places of each slab: the product mixes the upper bits in. */
static __always_inline struct seat *seat_of(struct sock *sk)
{
	__u32 number = (__u32)(low_half(sk) * 0x9e3779b1) >> (32 - SEAT_BITS);

	return bpf_map_lookup_elem(&seats, &number);
}

/* The connect of this socket, or nothing. */
static __always_inline struct record *awaited(struct sock *sk)
{
	struct seat *seat = seat_of(sk);
	struct control *control = shared();
	struct crowded *entry = NULL;
	__u64 key = (__u64)sk;

	if (seat && seat->socket == key)
		return &seat->connect;
	if (control && control->crowded)
		entry = bpf_map_lookup_elem(&crowded, &key);
	return entry ? &entry->connect : NULL;
}

/* Not inlined: most connects have a seat. */
static __noinline int crowded_remove(__u64 key)
{
	struct crowded *entry = bpf_map_lookup_elem(&crowded, &key);
	__u64 session, uid;

	if (!entry)
		return 0;
	session = entry->connect.session;
	uid = entry->uid;
	if (!(int)bpf_map_delete_elem(&crowded, &key))
		share_give(session, uid, TABLE_CONNECTS);
	return 0;
}

/* Returns why there is no room, of enum loss, or 0. */
static __noinline int crowded_add(__u64 key, struct record *connect)
{
	struct crowded entry = {.connect = *connect, .uid = account_of(connect->session)};

	if (!share_take(connect->session, entry.uid, TABLE_CONNECTS, CROWDED_SIZE))
		return LOSS_SHARE_FULL;
	if (!(int)bpf_map_update_elem(&crowded, &key, &entry, BPF_NOEXIST))
		return 0;
	share_give(connect->session, entry.uid, TABLE_CONNECTS);
	return LOSS_TABLE_FULL;
}

static __always_inline void await_no_more(struct sock *sk)
{
	struct seat *seat = seat_of(sk);
	struct control *control = shared();
	__u64 key = (__u64)sk;

	if (seat && seat->socket == key) {
		seat->socket = 0;
		__sync_fetch_and_add(&seat->claims, -1);
	}
	if (control && control->crowded)
		crowded_remove(key);
}

/* Returns why there is no room, of enum loss, or 0. */
static __always_inline int await(struct sock *sk, struct record *connect)
{
	struct seat *seat = seat_of(sk);
	struct control *control = shared();
	__u64 key = (__u64)sk;

	/* The socket may have been another one before, whose result was missed. */
	await_no_more(sk);
	if (!seat || !control)
		return LOSS_TABLE_FULL;
	__sync_fetch_and_add(&seat->claims, 1);
	/* On other CPUs, a claim can be seen to go before the socket does. */
	if (*(volatile __u64 *)&seat->claims == 1 && !*(volatile __u64 *)&seat->socket) {
		seat->connect = *connect;
		*(volatile __u64 *)&seat->socket = key;
		return 0;
	}
	__sync_fetch_and_add(&seat->claims, -1);
	control->crowded = 1;
	return crowded_add(key, connect);
}

#endif
