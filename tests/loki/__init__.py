"""A Loki for tests that refuses what Loki refuses and fails as it is told to. README.md says what it imitates; `server.Loki` starts one."""
