//! Nodes that are processes of their own, to be killed or to stand still.
