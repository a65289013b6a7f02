//! A network for one node alone, which a test can cut off from everybody else: nothing passes, and
//! nobody is told. It is a network namespace of Linux, whose only way out is a pair of virtual
//! interfaces; to make one takes root.
//!
//! What listens on 127.0.0.1 outside is reached as 127.0.0.1 from within.

use std::process::Command;

use uuid::Uuid;

/// A network, as long as the value lives.
pub(crate) struct Network {
    name: String,
    /// Of the four addresses, the second is outside and the third within.
    subnet: (u8, u8),
}

impl Network {
    pub(crate) fn new() -> Self {
        let random = Uuid::new_v4().into_bytes();
        let network = Self {
            name: format!("cf{:02x}{:02x}{:02x}", random[0], random[1], random[2]),
            subnet: (random[0], random[1] & !3),
        };
        let (name, outside, within) = (&network.name, network.outside(), network.within());

        run(&format!(
            "set -e
            ip netns add {name}
            ip link add {name}o type veth peer name {name}i netns {name}
            ip addr add {outside}/30 dev {name}o
            ip link set {name}o up
            echo 1 > /proc/sys/net/ipv4/conf/{name}o/route_localnet
            ip -n {name} addr add {within}/30 dev {name}i
            ip -n {name} link set {name}i up
            ip netns exec {name} sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet'
            ip -n {name} route add 127.0.0.0/8 via {outside} src {within}"
        ));
        network
    }

    fn outside(&self) -> String {
        format!("10.213.{}.{}", self.subnet.0, self.subnet.1 + 1)
    }

    /// Where the node is, for those outside.
    pub(crate) fn within(&self) -> String {
        format!("10.213.{}.{}", self.subnet.0, self.subnet.1 + 2)
    }

    /// A program that begins with these words runs within.
    pub(crate) fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    pub(crate) fn cut(&self) {
        run(&format!("ip link set {}o down", self.name));
    }

    pub(crate) fn mend(&self) {
        run(&format!("ip link set {}o up", self.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run(&format!("ip netns del {}", self.name));
    }
}

fn run(script: &str) {
    let ran = Command::new("sh").args(["-c", script]).output();
    let ran = ran.expect("there is a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success() || std::thread::panicking(),
        "a network cannot be made or changed, which takes root and iproute2: {said}"
    );
}
