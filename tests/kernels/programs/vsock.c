/* Sockets of virtual machines: listens, connects to itself, accepts, and connects to where nobody listens. */
#include "call.h"

#ifdef __aarch64__
enum { SOCKET = 198, BIND = 200, LISTEN, CONNECT = 203, ACCEPT4 = 242, EXIT = 93 };
#else
enum { SOCKET = 41, CONNECT, BIND = 49, LISTEN, ACCEPT4 = 288, EXIT = 60 };
#endif

#define AF_VSOCK 40
#define SOCK_STREAM 1
#define ANY 0xffffffff
#define LOOPBACK 1

struct address {
	unsigned short family, unused;
	unsigned port, context, zero;
};
static const struct address own = {AF_VSOCK, 0, 4545, ANY, 0};
static const struct address peer = {AF_VSOCK, 0, 4545, LOOPBACK, 0};
static const struct address nobody = {AF_VSOCK, 0, 9, LOOPBACK, 0};

#ifdef __x86_64__
__attribute__((force_align_arg_pointer))
#endif
void _start(void)
{
	long listening = CALL(SOCKET, AF_VSOCK, SOCK_STREAM, 0);
	long failed;

	failed = CALL(BIND, listening, &own, sizeof(own));
	failed |= CALL(LISTEN, listening, 5);
	failed |= CALL(CONNECT, CALL(SOCKET, AF_VSOCK, SOCK_STREAM, 0), &peer, sizeof(peer));
	failed |= CALL(ACCEPT4, listening, 0, 0, 0) < 0;
	CALL(CONNECT, CALL(SOCKET, AF_VSOCK, SOCK_STREAM, 0), &nobody, sizeof(nobody));
	CALL(EXIT, failed ? 1 : 7);
}
