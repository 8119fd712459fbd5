"""One small final class per way of estimating the clean image over a step."""
