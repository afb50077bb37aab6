"""What the tests share: machines to boot, a shell to type at, the host's own look into the machine."""
