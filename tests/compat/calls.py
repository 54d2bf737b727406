"""Each call that is looked at, between two opens of what is not there, by `syscall` or by int 0x80."""

import ctypes, os, signal, socket, struct, sys

way, folder, tcp, udp = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.syscall.restype = ctypes.c_long
word = ctypes.c_long
PAGE = 4096
# In the lowest 4 GiB, where pointers of 32 bits reach: first the code that enters the kernel.
low = libc.mmap(None, word(4 * PAGE), 7, 0x62, -1, word(0))
code = bytes.fromhex("53 55 8b6c2418 89f8 89f3 87d1 4489c6 4489cf cd80 5d 5b c3")
ctypes.memmove(low, code, len(code))
enter = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 7)(low)
used = PAGE


def at(data):
    global used
    place = low + used
    ctypes.memmove(place, data + b"\0", len(data) + 1)
    used += len(data) + 8 & ~7
    assert used <= 4 * PAGE
    return place


def pointers(*all):
    return at(struct.pack("=%dQ" % len(all) if way == "native" else "=%dI" % len(all), *all))


def done(number, result):
    """An address can be any number of 32 bits."""
    print(number, result if -4096 < result < 0 else 0)
    return result


def native(number, arguments):
    result = libc.syscall(word(number), *[word(one) for one in arguments])
    return -ctypes.get_errno() if result == -1 else result


def call(number, compat_number, *arguments, compat_arguments=None):
    """The same call by both ways, unless the other one has other arguments."""
    if way == "native":
        return done(number, native(number, arguments))
    arguments = arguments if compat_arguments is None else compat_arguments
    return done(number, enter(compat_number, *arguments, *[0] * (6 - len(arguments))))


def socketcall(which, number, *arguments):
    packed = at(struct.pack("=6i", *arguments, *[0] * (6 - len(arguments))))
    return call(number, 102, *arguments, compat_arguments=(which, packed))


def apart(act):
    """In a process of its own, which it is the end of."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        act()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)


os.chdir(folder)
there, missing, link, other, empty = (at(name) for name in (b"there", b"missing", b"link", b"other", b""))
AT_FDCWD, O_LARGEFILE, NOBODY = -100, 0o100000, 65534
libc.open(ctypes.c_char_p(b"/nowhere/begin"), 0)

# Files: opened,
opens = [
    call(2, 5, there, os.O_CREAT | os.O_WRONLY, 0o640),
    call(85, 8, there, 0o600),
    call(257, 295, AT_FDCWD, there, os.O_RDWR | O_LARGEFILE, 0),
    call(437, 437, AT_FDCWD, there, at(struct.pack("=3Q", os.O_RDONLY, 0, 0)), 24),
]
call(2, 5, missing, 0)
file = opens[2]
# named,
call(86, 9, there, link)
call(265, 303, AT_FDCWD, there, AT_FDCWD, other, 0)
call(82, 38, link, missing)
call(264, 302, AT_FDCWD, missing, AT_FDCWD, link)
call(316, 353, AT_FDCWD, link, AT_FDCWD, missing, 1)
call(87, 10, missing)
call(263, 301, AT_FDCWD, other, 0)
call(87, 10, missing)
call(88, 83, at(b"what it says"), link)
call(266, 304, at(b"what it says"), AT_FDCWD, other)
call(87, 10, link)
call(87, 10, other)
call(83, 39, link, 0o750)
call(258, 296, AT_FDCWD, other, 0o700)
call(84, 40, link)
call(263, 301, AT_FDCWD, other, 0x200)
call(133, 14, link, 0o10640, 0)
call(259, 297, AT_FDCWD, other, 0o20600, 0x103)
call(87, 10, link)
call(87, 10, other)
# changed,
call(90, 15, there, 0o644)
call(91, 94, file, 0o600)
call(268, 306, AT_FDCWD, there, 0o604)
call(452, 452, AT_FDCWD, there, 0o640, 0x100)
for first, second in ((3, NOBODY), (-1, 7)):
    for number, of_32, of_16 in ((92, 212, 182), (94, 198, 16)):
        call(number, of_32, there, first, second)
        call(number, of_16, there, first, second, compat_arguments=(there, first & 0xFFFF, second))
    call(93, 207, file, first, second)
    call(93, 95, file, first, second, compat_arguments=(file, first & 0xFFFF, second))
    call(260, 298, AT_FDCWD, there, first, second, 0)
call(76, 92, there, 5)
call(76, 92, there, -1)
call(77, 93, file, 6)
call(77, 93, file, -1)
large = 5 << 30 | 9
call(76, 193, there, large, compat_arguments=(there, 1 << 30 | 9, 1))
call(77, 194, file, large, compat_arguments=(file, 1 << 30 | 9, 1))
attribute, value = at(b"user.one"), at(b"value")
call(188, 226, there, attribute, value, 5, 0)
call(189, 227, there, attribute, value, 5, 2)
call(190, 228, file, attribute, value, 5, 1)
call(197, 235, there, attribute)
call(198, 236, there, attribute)
call(199, 237, file, attribute)
# mounted,
tmpfs, private = at(b"tmpfs"), at(b"/")


def mounts():
    call(272, 310, 0x20000)
    call(165, 21, at(b"none"), private, 0, 0x44000, 0)
    os.mkdir("mounted")
    place = at(b"mounted")
    for _ in range(2):
        call(165, 21, tmpfs, place, tmpfs, 2, 0)
    call(166, 52, place, 2)
    call(166, 22, place, 0, compat_arguments=(place,))
    call(166, 22, missing, 0, compat_arguments=(missing, 2))
    os.rmdir("mounted")


apart(mounts)
# and mapped.
READ, READ_EXECUTE, PRIVATE_LOW = 1, 5, 0x42
in_memory = at(struct.pack("=6I", 0, PAGE, READ_EXECUTE, PRIVATE_LOW, file, 0))
call(9, 192, 0, PAGE, READ_EXECUTE, PRIVATE_LOW, file, 0)
call(9, 90, 0, PAGE, READ_EXECUTE, PRIVATE_LOW, file, 0, compat_arguments=(in_memory,))
call(9, 192, 0, 0, READ_EXECUTE, PRIVATE_LOW, file, 0)
mapped = libc.mmap(None, word(PAGE), READ, PRIVATE_LOW, file, word(0))
call(10, 125, mapped, PAGE, READ_EXECUTE)
libc.mprotect(ctypes.c_void_p(mapped), word(PAGE), READ)
call(329, 380, mapped, PAGE, READ_EXECUTE, -1)
segment = libc.shmget(0, word(PAGE), 0o1700)
SHM_EXEC = 0o100000
call(30, 397, segment, 0, SHM_EXEC)
call(30, 117, segment, 0, SHM_EXEC, compat_arguments=(21, segment, SHM_EXEC, at(bytes(4)), 0))
libc.shmctl(segment, 0, None)

# Programs
program = at(b"/nowhere/program")
words = pointers(program, at(b"one"), at(b"two"), 0)
call(59, 11, program, words, 0)
call(322, 358, AT_FDCWD, program, words, 0, 0)
true = at(b"/bin/true")
apart(lambda: call(59, 11, true, pointers(true, at(b"three"), 0), 0))

# Rights
for number, of_32, of_16 in ((105, 213, 23), (106, 214, 46)):
    apart(lambda: call(number, of_32, NOBODY))
    apart(lambda: call(number, of_16, NOBODY))
for number, of_32, of_16 in ((113, 203, 70), (114, 204, 71), (117, 208, 164), (119, 210, 170)):
    for ids in ((-1, 7, -1), (8, -1, -1)):
        ids = ids if number in (117, 119) else ids[:2]
        short = [one & 0xFFFF for one in ids]
        apart(lambda: call(number, of_32, *ids))
        apart(lambda: call(number, of_16, *ids, compat_arguments=short))


def refused():
    os.setuid(NOBODY)
    call(117, 164, 5, -1, 6, compat_arguments=(5, 0xFFFF, 6))


apart(refused)
header = at(struct.pack("=Ii", 0x20080522, 0))
apart(lambda: call(126, 185, header, at(bytes(24))))
sleeper = os.fork()
if not sleeper:
    signal.pause()
apart(lambda: call(101, 26, 16, sleeper, 0, 0))
apart(lambda: call(101, 26, 0x4206, sleeper, 0, 0))
call(311, 348, sleeper, pointers(value, 5), 1, pointers(value, 5), 1, 0)
os.kill(sleeper, 9)
os.waitpid(sleeper, 0)
apart(lambda: call(272, 310, 0x4000000))
spaces = os.open("/proc/self/ns/uts", 0)
apart(lambda: call(308, 346, spaces, 0))
call(308, 346, file, 0)


def cloned(result):
    if not result:
        os._exit(0)
    os.waitpid(result, 0)


sys.stdout.flush()
cloned(call(56, 120, 0x4000000 | 17, 0, 0, 0, 0))
sys.stdout.flush()
cloned(call(435, 435, at(struct.pack("=8Q", 0x4000000, 0, 0, 0, 17, 0, 0, 0)), 64))
apart(lambda: call(161, 61, at(folder.encode())))
call(161, 61, missing)
call(155, 217, missing, missing)
call(175, 128, value, 0, empty)
call(176, 129, at(b"nowhere"), 0x800)
call(313, 350, file, empty, 0)
call(246, 283, 0, 0, 0, -1)
call(321, 357, 5, at(struct.pack("=IIQQIIQII16s", 1, 0, 0, 0, 0, 0, 0, 0, 0, b"named")), 64)


# Sockets
def internet(port):
    return at(struct.pack("=H", 2) + struct.pack(">H", port) + bytes([127, 0, 0, 1]) + bytes(8))


def local(name):
    return at(struct.pack("=H", 1) + name + b"\0"), 3 + len(name)


INTERNET, LOCAL, STREAM, DATAGRAM = socket.AF_INET, socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
kept = []


def fresh(*kind):
    kept.append(socket.socket(*kind))
    return kept[-1].fileno()


listening = socket.socket(LOCAL, STREAM)
listening.bind("local")
listening.listen()
for connect in (lambda *all: call(42, 362, *all), lambda *all: socketcall(3, 42, *all)):
    connect(fresh(INTERNET, STREAM), internet(tcp), 16)
    connect(fresh(INTERNET, STREAM), internet(1), 16)
    connect(fresh(INTERNET, STREAM), internet(tcp), 3)
    connect(fresh(INTERNET, DATAGRAM), internet(udp), 16)
    connect(fresh(LOCAL, STREAM), *local(b"local"))
    connect(fresh(LOCAL, STREAM), *local(b"missing"))
accepting = socket.socket()
accepting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
accepting.bind(("127.0.0.2", tcp))
call(50, 363, accepting.fileno(), 5)
for accept in (lambda *all: call(288, 364, *all, 0), lambda *all: socketcall(5, 43, *all), lambda *all: socketcall(18, 288, *all, 0)):
    kept.append(socket.create_connection(accepting.getsockname()))
    accept(accepting.fileno(), 0, 0)
socketcall(4, 50, accepting.fileno(), 6)
call(41, 359, 17, 3, 0x300)
socketcall(1, 41, 17, 3, 0x300)
sender = socket.socket(LOCAL, DATAGRAM)


def messages(*names):
    """Those of sendmmsg: struct msghdr of either width, and a length."""
    part = pointers(value, 5)
    form = "=QI4xQQQQI4xI4x" if way == "native" else "=8I"
    return at(b"".join(struct.pack(form, *name, part, 1, 0, 0, 0, 0) for name in names))


count = 0


def peers(number):
    global count
    for _ in range(number):
        count += 1
        receiver = socket.socket(LOCAL, DATAGRAM)
        receiver.bind("peer%d" % count)
        kept.append(receiver)
        yield local(b"peer%d" % count)


for send in (lambda *all: call(44, 369, *all), lambda *all: socketcall(11, 44, *all)):
    send(sender.fileno(), value, 5, 0, *next(peers(1)))
    send(sender.fileno(), value, 5, 0, *local(b"missing"))
for send in (lambda *all: call(46, 370, *all), lambda *all: socketcall(16, 46, *all)):
    send(sender.fileno(), messages(*peers(1)), 0)
for send in (lambda *all: call(307, 345, *all), lambda *all: socketcall(20, 307, *all)):
    send(sender.fileno(), messages(*peers(3)), 3, 0)

# Through io_uring
parameters = at(bytes(120))
ring = call(425, 425, 4, parameters)
words = struct.unpack("=30I", ctypes.string_at(parameters, 120))
tail, array, ends, mask = words[11], words[16], words[25], words[13]
queue, entries = (libc.mmap(None, word(PAGE), 3, 0x8001, ring, word(place)) for place in (0, 0x10000000))
asked = 0


def ask(opcode, file, place, length, offset=0):
    """One request, whose end is waited for."""
    global asked
    entry = struct.pack("=BBHiQQIIQ24x", opcode, 0, 0, file, offset, place, length, 0, 0)
    ctypes.memmove(entries + 64 * (asked & mask), entry, len(entry))
    ctypes.c_uint32.from_address(queue + array + 4 * (asked & mask)).value = asked & mask
    asked += 1
    ctypes.c_uint32.from_address(queue + tail).value = asked
    call(426, 426, ring, 1, 1, 1, 0, 0)
    done(opcode, ctypes.c_int32.from_address(queue + ends + 16 * ((asked - 1) % words[23]) + 8).value)


OPEN, CONNECT, SEND = 18, 16, 9
ask(OPEN, AT_FDCWD, missing, 0)
for port in (tcp, 1):
    ask(CONNECT, fresh(INTERNET, STREAM), internet(port), 0, 16)
for name in (b"local", b"missing"):
    place, length = local(name)
    ask(CONNECT, fresh(LOCAL, STREAM), place, 0, length)
ask(SEND, sender.fileno(), messages(*peers(1)), 1)

libc.open(ctypes.c_char_p(b"/nowhere/end"), 0)
