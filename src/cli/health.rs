//! `tutti health`: asks the server of these settings whether it is ready, for images that hold no other HTTP client.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::{Bind, HealthCommand};

/// For each of connecting, asking and reading.
const TIMEOUT: Duration = Duration::from_secs(15);
/// More than the answer has.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

pub(super) fn run(command: &HealthCommand) -> Result<(), Box<dyn Error>> {
    let unreachable = |error: io::Error| format!("no server answers at {}: {error}", command.bind);
    let answer = match &command.bind {
        Bind::Tcp(address) => {
            let mut address = *address;
            address.set_ip(match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            });
            let stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(unreachable)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            ask(stream).map_err(unreachable)?
        }
        Bind::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(unreachable)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            ask(stream).map_err(unreachable)?
        }
    };
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(writeln!(io::stdout(), "ready")?);
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    Err(format!("the server at {} is not ready: {status} {body}", command.bind).into())
}

fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
