"""Calls told to destinations outside, one by one, where somebody switched that on for an API.

The usage process hands each call that was chosen over, and goes on: what is told waits in bounded queues, and is made, masked and sent in a
thread of its own. docs/log-shipping.md.
"""
