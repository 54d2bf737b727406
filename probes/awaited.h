/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * TCP connects whose result is awaited, by the address of the socket: when and by whom. The result
 * comes by interrupt: whose it is, only this tells. Each has a seat that follows from the address;
 * who finds it taken goes into a table, in which to look takes ten times as long.
 */
#ifndef AWAITED_H
#define AWAITED_H

#include "ring.h"

#define SEAT_BITS 12

struct seat {
	__u64 claims; /* it belongs to who has its only claim, as with a slot */
	__u64 socket;
	struct record connect;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SEAT_BITS);
	__type(key, __u32);
	__type(value, struct seat);
} seats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct record);
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
	__u64 key = (__u64)sk;

	if (seat && seat->socket == key)
		return &seat->connect;
	return control && control->crowded ? bpf_map_lookup_elem(&crowded, &key) : NULL;
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
	if (control && control->crowded && bpf_map_lookup_elem(&crowded, &key))
		bpf_map_delete_elem(&crowded, &key);
}

/* Returns an error if there is no room. */
static __always_inline long await(struct sock *sk, struct record *connect)
{
	struct seat *seat = seat_of(sk);
	struct control *control = shared();
	__u64 key = (__u64)sk;

	/* The socket may have been another one before, whose result was missed. */
	await_no_more(sk);
	if (!seat || !control)
		return -1;
	__sync_fetch_and_add(&seat->claims, 1);
	/* On other CPUs, a claim can be seen to go before the socket does. */
	if (*(volatile __u64 *)&seat->claims == 1 && !*(volatile __u64 *)&seat->socket) {
		seat->connect = *connect;
		*(volatile __u64 *)&seat->socket = key;
		return 0;
	}
	__sync_fetch_and_add(&seat->claims, -1);
	control->crowded = 1;
	return bpf_map_update_elem(&crowded, &key, connect, BPF_ANY);
}

#endif
