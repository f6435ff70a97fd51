"""What is known of providers of AI models. Pure."""
