"""The usage process: the gateways' access logs (gRPC ALS). It counts the calls of each credential, of each operation and of each
subscription, which quotas go by, how those of each version went, and all of them per minute; and keeps each application's last refusals.

Apart from control, so that a flood of calls never delays a revocation; and best effort: calls never wait for it.
"""
