//! From the bytes that a probe sends to a value.

use crate::abi::{
    self, Arguments, Counts, Endpoint, Environment, Head, Identity, Kind, Layout, Losses, Network,
    NetworkResult, SessionEnd, SessionStart, read,
};

/// One record, borrowed from the ring it came by.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When, in which session, by which process.
    pub head: Head,
    /// What.
    pub body: Body<'a>,
}

/// What a record tells.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Body<'a> {
    /// With the title of the process that serves the login; empty where it is not known.
    SessionStart(SessionStart, &'a [u8]),
    SessionEnd {
        lost: Losses,
        left_out: Counts,
    },
    /// `NAME=value` strings, each ended by a zero byte.
    Environment(&'a [u8]),
    /// What sshd writes of who has logged in, a line for each method.
    Identity(&'a [u8]),
    Command(Command<'a>),
    /// Bytes of the arguments from `offset` on, of the command that `exec` tells from the others of
    /// the process.
    Arguments {
        exec: u64,
        offset: u32,
        bytes: &'a [u8],
    },
    ProcessExit(abi::ProcessExit),
    Disk(Disk<'a>),
    Network(Network),
    NetworkResult(NetworkResult),
    LocalConnect(LocalConnect<'a>),
    Privilege(Privilege<'a>),
    Send(abi::Send),
    Dns(Dns<'a>),
    Vsock(abi::Vsock),
    PacketSocket(abi::PacketSocket),
    /// A login server serves a channel itself.
    Subsystem(abi::Channel),
    /// The terminal of a channel has another size.
    Resize(abi::Channel),
}

/// A datagram to the DNS port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dns<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    /// Its beginning, without the headers of IP and UDP.
    pub message: &'a [u8],
}

/// A local socket that was connected to, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct LocalConnect<'a> {
    pub return_code: i32,
    pub is_abstract: bool,
    pub path: &'a [u8],
    pub path_notes: u32,
}

/// Rights that were changed, or another process or the kernel that was reached into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege<'a> {
    /// All that is not the path.
    pub fixed: abi::Privilege,
    /// Of the target's program, the module, the kernel or the new root; empty where there is none.
    pub path: &'a [u8],
}

/// A file operation, or the attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk<'a> {
    /// All that is not text.
    pub fixed: abi::Disk,
    /// What it was done to.
    pub path: Path<'a>,
    /// The second path, of what has two; else empty.
    pub target: Path<'a>,
    /// Of an extended attribute, or of a type of file system; else empty.
    pub name: &'a [u8],
}

/// A path of a file operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// As the kernel knows it; or the directory that what was typed counts from, and that behind it.
    pub path: &'a [u8],
    /// What was typed; empty where that is not known, and where it is the path.
    pub typed: &'a [u8],
    /// Of [`abi::path_note`].
    pub notes: u32,
}

/// A program that was run, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// All that is not text.
    pub fixed: abi::Command,
    /// As executed.
    pub path: &'a [u8],
    /// The file that runs; empty where there is none.
    pub exe: &'a [u8],
    /// The working directory.
    pub cwd: &'a [u8],
    /// Of a script; else empty.
    pub interpreter: &'a [u8],
    /// `NAME=value` strings, each ended by a zero byte.
    pub environment: &'a [u8],
    /// What the client asked for, where a login server runs something else for its channel.
    pub requested: &'a [u8],
    /// argv[0] included, each ended by a zero byte.
    pub argv: &'a [u8],
}

impl Command<'_> {
    /// Columns and rows, if the process has a controlling terminal.
    pub fn terminal_size(&self) -> Option<(u16, u16)> {
        (self.fixed.terminal != 0).then_some((self.fixed.columns, self.fixed.rows))
    }
}

/// Why bytes are not a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the record says it has, or than its kind needs.
    Short,
    /// A kind that no probe sends.
    Kind(u32),
    /// An operation of a privilege that no probe sends.
    Operation(u32),
}

/// Reads one record.
///
/// # Errors
/// [`Malformed`] if the bytes are not what a probe of this build sends.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, Malformed> {
    let head: Head = read(bytes).ok_or(Malformed::Short)?;
    let bytes = bytes.get(..head.length as usize).ok_or(Malformed::Short)?;
    let number = u32::from(head.kind);
    let kind = Kind::of(number).ok_or(Malformed::Kind(number))?;
    let body = match kind {
        Kind::SessionStart => {
            let (start, rest) = split::<SessionStart>(bytes)?;
            Body::SessionStart(start, take(rest, start.title_length)?.0)
        }
        Kind::SessionEnd => {
            let (end, _) = split::<SessionEnd>(bytes)?;
            Body::SessionEnd {
                lost: end.lost,
                left_out: end.left_out,
            }
        }
        Kind::Environment => {
            let (environment, rest) = split::<Environment>(bytes)?;
            Body::Environment(take(rest, environment.environment_length)?.0)
        }
        Kind::Identity => {
            let (identity, rest) = split::<Identity>(bytes)?;
            Body::Identity(take(rest, identity.identity_length)?.0)
        }
        Kind::Command => {
            let (fixed, mut rest) = split::<abi::Command>(bytes)?;
            let mut texts = [&[][..]; abi::text::COUNT - 1];
            for (text, length) in texts.iter_mut().zip(fixed.lengths) {
                (*text, rest) = take(rest, length)?;
            }
            let [path, exe, cwd, interpreter, environment] = texts;
            let (requested, rest) = take(rest, fixed.requested_length)?;
            let (argv, _) = take(rest, fixed.lengths[abi::text::COUNT - 1])?;
            Body::Command(Command {
                fixed,
                path,
                exe,
                cwd,
                interpreter,
                environment,
                requested: requested.strip_suffix(&[0]).unwrap_or(requested),
                argv,
            })
        }
        Kind::Arguments => {
            let (arguments, rest) = split::<Arguments>(bytes)?;
            Body::Arguments {
                exec: arguments.exec,
                offset: arguments.offset,
                bytes: take(rest, arguments.arguments_length)?.0,
            }
        }
        Kind::ProcessExit => Body::ProcessExit(split::<abi::ProcessExit>(bytes)?.0),
        Kind::Disk => {
            let (fixed, rest) = split::<abi::Disk>(bytes)?;
            let [path, path_typed, target, target_typed, name] = fixed.lengths;
            let (path, rest) = paths(rest, path, path_typed, fixed.path_notes)?;
            let (target, rest) = paths(rest, target, target_typed, fixed.target_notes)?;
            Body::Disk(Disk {
                fixed,
                path,
                target,
                name: take(rest, name.into())?.0,
            })
        }
        Kind::Network => Body::Network(split::<Network>(bytes)?.0),
        Kind::NetworkResult => Body::NetworkResult(split::<NetworkResult>(bytes)?.0),
        Kind::LocalConnect => {
            let (local, rest) = split::<abi::LocalConnect>(bytes)?;
            Body::LocalConnect(LocalConnect {
                return_code: local.return_code,
                is_abstract: local.is_abstract != 0,
                path: take(rest, local.path_length)?.0,
                path_notes: local.path_notes,
            })
        }
        Kind::Privilege => {
            let (fixed, rest) = split::<abi::Privilege>(bytes)?;
            if !(1..abi::PRIVILEGE_OPERATIONS.len()).contains(&(fixed.operation as usize)) {
                return Err(Malformed::Operation(fixed.operation));
            }
            Body::Privilege(Privilege {
                fixed,
                path: take(rest, fixed.path_length)?.0,
            })
        }
        Kind::Send => Body::Send(split::<abi::Send>(bytes)?.0),
        Kind::Vsock => Body::Vsock(split::<abi::Vsock>(bytes)?.0),
        Kind::PacketSocket => Body::PacketSocket(split::<abi::PacketSocket>(bytes)?.0),
        Kind::Subsystem => Body::Subsystem(split::<abi::Channel>(bytes)?.0),
        Kind::Resize => Body::Resize(split::<abi::Channel>(bytes)?.0),
        Kind::Dns => {
            let (dns, rest) = split::<abi::Dns>(bytes)?;
            Body::Dns(Dns {
                source: dns.source,
                destination: dns.destination,
                message: take(rest, dns.message_length)?.0,
            })
        }
    };
    Ok(Record { head, body })
}

/// A path and what was typed for it, which are one where the path ends in that.
fn paths(bytes: &[u8], path: u16, typed: u16, notes: u16) -> Result<(Path<'_>, &[u8]), Malformed> {
    let notes = u32::from(notes);
    let (path, rest) = take(bytes, path.into())?;
    let (typed, rest) = if notes & abi::path_note::TYPED == 0 {
        take(rest, typed.into())?
    } else {
        let base = path.len().checked_sub(typed.into());
        (&path[base.ok_or(Malformed::Short)?..], rest)
    };
    Ok((Path { path, typed, notes }, rest))
}

/// The strings of a block in which each is ended by a zero byte.
pub fn strings(block: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let count = if block.is_empty() { 0 } else { usize::MAX };
    let block = block.strip_suffix(&[0]).unwrap_or(block);
    block.split(|byte| *byte == 0).take(count)
}

fn split<T: Layout>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    let value = read(bytes).ok_or(Malformed::Short)?;
    Ok((value, &bytes[size_of::<T>()..]))
}

fn take(bytes: &[u8], length: u32) -> Result<(&[u8], &[u8]), Malformed> {
    bytes
        .split_at_checked(length as usize)
        .ok_or(Malformed::Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_empty_ones() {
        let of = |block: &'static [u8]| strings(block).collect::<Vec<_>>();
        assert_eq!(of(b""), Vec::<&[u8]>::new());
        assert_eq!(of(b"\0"), [b""]);
        assert_eq!(of(b"ls\0"), [b"ls"]);
        assert_eq!(of(b"a\0\0b\0"), [b"a".as_slice(), b"", b"b"]);
        assert_eq!(of(b"a\0\0"), [b"a".as_slice(), b""]);
        assert_eq!(of(b"cut"), [b"cut"]);
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused() {
        let mut bytes = [0u8; size_of::<Head>()];
        assert_eq!(decode(&bytes), Err(Malformed::Kind(0)));
        bytes[24] = 255;
        assert_eq!(decode(&bytes), Err(Malformed::Short));
        assert_eq!(decode(&bytes[..40]), Err(Malformed::Short));
    }

    #[test]
    fn a_string_beyond_the_record_is_refused() {
        let mut bytes = [0u8; size_of::<abi::Disk>()];
        bytes[24..28].copy_from_slice(&(size_of::<abi::Disk>() as u32).to_ne_bytes());
        bytes[28] = Kind::Disk as u8;
        assert!(decode(&bytes).is_ok());
        bytes[std::mem::offset_of!(abi::Disk, lengths)] = 1;
        assert_eq!(decode(&bytes), Err(Malformed::Short));
    }
}
