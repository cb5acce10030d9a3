//! Notices when the addresses or routes of this machine change: DHCP, a cable, a VPN, a router's new prefix. The kernel
//! tells over netlink; what exactly has changed is not read, since everything is asked anew anyway.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Changes come in bursts: an address goes, another comes, then its routes.
const SETTLE: Duration = Duration::from_millis(300);
/// Where netlink is not allowed, or has lost something, the interfaces are looked at as often.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_WITHOUT_NETLINK: Duration = Duration::from_secs(5);

/// Calls `changed` after each burst of changes, and now and then without one (`false`), for ever.
pub async fn watch(changed: impl Fn(bool)) {
    let netlink = open().and_then(|fd| {
        // Deprecated for things whose descriptor may change or close under way; a socket's does neither.
        #[allow(deprecated)]
        AsyncFd::with_interest(fd, Interest::READABLE)
    });
    let netlink = match netlink {
        Ok(netlink) => netlink,
        Err(e) => {
            tracing::info!("netlink is unavailable ({e}); addresses are polled every few seconds");
            loop {
                actix_rt::time::sleep(LOOK_WITHOUT_NETLINK).await;
                changed(false);
            }
        }
    };
    loop {
        match actix_rt::time::timeout(LOOK, netlink.readable()).await {
            Ok(Ok(mut ready)) => {
                drain(netlink.get_ref());
                ready.clear_ready();
                actix_rt::time::sleep(SETTLE).await;
                drain(netlink.get_ref());
                changed(true);
            }
            Ok(Err(_)) => actix_rt::time::sleep(LOOK).await,
            Err(_) => changed(false),
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    let groups = libc::RTMGRP_LINK
        | libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV6_ROUTE;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups as u32))?;
    Ok(fd)
}

/// Throws away what was reported. A full buffer (ENOBUFS) lost some of it, which is the same.
fn drain(fd: &OwnedFd) {
    let mut buffer = [0; 8192];
    loop {
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
