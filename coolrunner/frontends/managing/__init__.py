"""The manager: experiments of scripts and notebooks."""
