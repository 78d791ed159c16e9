using System.Linq.Expressions;
using System.Reflection;

namespace Akka.Actor.Internal;

/// <summary>Values of constructor arguments in an expression. Reads the common forms without compiling code.</summary>
internal static class ExpressionValues
{
    public static object Evaluate(Expression expression) =>
        TryRead(expression, out var value)
            ? value
            : Expression.Lambda<Func<object>>(Expression.Convert(expression, typeof(object))).Compile()();

    private static bool TryRead(Expression expression, out object value)
    {
        value = null;
        switch (expression)
        {
            case ConstantExpression constant:
                value = constant.Value;
                return true;
            case MemberExpression { Member: FieldInfo field } member:
                return TryReadField(field, member.Expression, out value);
            case UnaryExpression { NodeType: ExpressionType.Convert } convert
                when convert.Type.IsAssignableFrom(convert.Operand.Type) && convert.Method is null:
                return TryRead(convert.Operand, out value);
            default:
                return false;
        }
    }

    private static bool TryReadField(FieldInfo field, Expression owner, out object value)
    {
        value = null;
        object target = null;
        if (owner is not null && (!TryRead(owner, out target) || target is null))
        {
            return false;
        }

        value = field.GetValue(target);
        return true;
    }
}
