"""The vocabulary both sides share: structs, hashes, signatures, trees and integer arithmetic. Pure."""
