//! What a test does to a node: kill it, stop it, fill its disk.

use rustix::process::{Resource, Rlimit, Signal, kill_process, prlimit};

use super::Node;

impl Node {
    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the node runs");
        process.kill().expect("a signal can be sent to the node");
        process.wait().expect("the node's end can be awaited");
        self.beside.iter_mut().for_each(Node::kill);
    }

    /// From now on no file of the node may grow beyond its log and so many bytes more, as on a full
    /// disk.
    pub fn fill_the_disk(&self, room: u64) {
        self.beside.iter().for_each(|node| node.fill_the_disk(room));
        let log = std::fs::metadata(self.log_path()).expect("the node's log");
        self.limit_files(Some(log.len() + room));
    }

    /// There is room on the disk again.
    pub fn make_room_on_the_disk(&self) {
        self.beside.iter().for_each(Node::make_room_on_the_disk);
        self.limit_files(None);
    }

    fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("a limit can be set");
    }

    /// Nothing comes to the node or from it any more, and nobody is told.
    pub fn cut_off(&self) {
        self.network.as_ref().expect("it has a network").cut();
    }

    /// Everything passes again after [`Node::cut_off`].
    pub fn connect(&self) {
        self.network.as_ref().expect("it has a network").mend();
    }

    /// Stops the process as it stands; it does not notice.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("a signal can be sent to the node");
        self.beside.iter().for_each(Node::pause);
    }

    /// Lets it go on after [`Node::pause`].
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("a signal can be sent to the node");
        self.beside.iter().for_each(Node::resume);
    }
}
